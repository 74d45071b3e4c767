#pragma once
// ICMP (RFC 792, RFC 1812) and ICMPv6 (RFC 4443) messages that a router originates.
#include <cstdint>
#include <span>

#include "routing/ip_address.h"
#include "routing/ip_packet.h"

namespace hawser {

enum class IcmpError : std::uint8_t {
  kHopLimitExceeded,            // v4 11/0, v6 3/0
  kNoRoute,                     // v4 3/0 (net unreachable), v6 1/0
  kAdministrativelyProhibited,  // v4 3/13, v6 1/1
  kAddressUnreachable,          // v4 3/1, v6 1/3: a route, but the peer has no endpoint
  kPacketTooBig,                // v4 3/4 with the MTU, v6 2/0 with the MTU
};

// An error message never exceeds this (RFC 4443 §2.4(c), RFC 1812 §4.3.2.3).
inline constexpr std::size_t kMaxIcmpv4ErrorLen = 576;
inline constexpr std::size_t kMaxIcmpv6ErrorLen = 1280;

// May an error be sent in answer to this packet? No for: ICMP errors (and ICMPv6 redirects),
// non-first fragments, multicast or broadcast destinations (ICMPv6 Packet Too Big excepted),
// sources that do not name one host (unspecified, multicast, loopback). RFC 4443 §2.4(e),
// RFC 1812 §4.3.2.7. IPv6 extension headers are walked, bounded; one that cannot be walked: no.
bool icmp_error_allowed(std::span<const std::uint8_t> offending, const IpHeader& header,
                        IcmpError error);

// Writes the whole IP packet of an error from `source` to the offending packet's source into
// `out` (≥ kMaxIcmpv6ErrorLen bytes), quoting as much of `offending` (trimmed to its packet_len)
// as fits. Returns its length. `mtu` only counts for kPacketTooBig. Hop limit 64.
// `source` has the offending packet's family.
std::size_t write_icmp_error(std::span<std::uint8_t> out, std::span<const std::uint8_t> offending,
                             const IpHeader& header, IcmpError error, const IpAddress& source,
                             std::uint32_t mtu);

// What a message's checksum field is to hold where it is zero now, and zero for a message whose
// checksum is right. ICMPv6 covers the pseudo header too.
std::uint16_t icmp_checksum(std::span<const std::uint8_t> message, const IpAddress& source,
                            const IpAddress& destination);

// Turns an echo request (ICMP 8/0, ICMPv6 128/0; unfragmented, checksum right) into its reply in
// place: addresses swapped, hop limit 64, checksums right. False: it is not one, and is untouched.
bool echo_reply_in_place(std::span<std::uint8_t> packet, const IpHeader& header);

}  // namespace hawser
