#pragma once
#include <cstdint>
#include <span>

#include "routing/ip_address.h"

namespace hawser {

// The Internet checksum (RFC 1071). Partial sums are kept unfolded in 64 bits and may be chained;
// every span but the last of a chain has even length.
std::uint64_t checksum_add(std::uint64_t sum, std::span<const std::uint8_t> bytes);
std::uint16_t checksum_fold(std::uint64_t sum);  // folded, not complemented
inline std::uint16_t checksum_finish(std::uint64_t sum) {
  return static_cast<std::uint16_t>(~checksum_fold(sum));
}

// Sum of the TCP/UDP/ICMPv6 pseudo header (RFC 9293 §3.1, RFC 8200 §8.1).
std::uint64_t pseudo_header_sum(const IpAddress& source, const IpAddress& destination,
                                std::uint8_t protocol, std::uint32_t payload_len);

}  // namespace hawser
