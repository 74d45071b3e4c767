#pragma once
#include <cstdint>
#include <span>

#include "routing/ip_address.h"

namespace hawser {

// The Internet checksum (RFC 1071). Partial sums are kept unfolded in 64 bits and may be chained;
// every span but the last of a chain has even length. A partial sum is a sum of 16-bit words in
// host terms, so numbers may be added to it as they are.
std::uint64_t checksum_add(std::uint64_t sum, std::span<const std::uint8_t> bytes);
std::uint16_t checksum_fold(std::uint64_t sum);  // folded, not complemented
inline std::uint16_t checksum_finish(std::uint64_t sum) {
  return static_cast<std::uint16_t>(~checksum_fold(sum));
}

// The checksum after one 16-bit word that it covers has changed (RFC 1624 eqn. 3). A checksum that
// was wrong stays wrong.
std::uint16_t checksum_adjust(std::uint16_t checksum, std::uint16_t old_word,
                              std::uint16_t new_word);

// Sum of the TCP/UDP/ICMPv6 pseudo header (RFC 9293 §3.1, RFC 8200 §8.1).
std::uint64_t pseudo_header_sum(const IpAddress& source, const IpAddress& destination,
                                std::uint8_t protocol, std::uint32_t payload_len);

}  // namespace hawser
