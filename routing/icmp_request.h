#pragma once
// ICMP messages that a host sends of its own accord: echo requests (RFC 792, RFC 4443 §4.1), and
// the goodbye of a controller that is about to stop.
#include <cstdint>
#include <span>

#include "routing/ip_address.h"
#include "routing/ip_packet.h"

namespace hawser {

// Room for any message of this header.
inline constexpr std::size_t kMaxIcmpRequestLen = 64;

// Writes a whole IP packet with an echo request to `out` (≥ kMaxIcmpRequestLen) and returns its
// length. Both addresses are of one family. Hop limit 64.
std::size_t write_echo_request(std::span<std::uint8_t> out, const IpAddress& source,
                               const IpAddress& destination, std::uint16_t identifier,
                               std::uint16_t sequence);

// The goodbye: ICMPv6 type 200 (private experimentation, RFC 4443 §2.1), which a host that does not
// know it discards silently (§2.4 b). IPv6 only. Hop limit 255 (RFC 5082): it counts only from the
// peer that sends it, and what that peer merely forwards has a lower one.
std::size_t write_goodbye(std::span<std::uint8_t> out, const IpAddress& source,
                          const IpAddress& destination);
// `packet` was accepted by parse_ip as `header`.
bool is_goodbye(std::span<const std::uint8_t> packet, const IpHeader& header);

}  // namespace hawser
