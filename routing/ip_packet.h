#pragma once
// Reading and rewriting IPv4 (RFC 791) and IPv6 (RFC 8200) headers in place. No allocation.
#include <cstdint>
#include <optional>
#include <span>

#include "routing/ip_address.h"

namespace hawser {

inline constexpr std::size_t kMinIpv4HeaderLen = 20;
inline constexpr std::size_t kIpv6HeaderLen = 40;
inline constexpr std::size_t kMinIpv6Mtu = 1280;  // RFC 8200 §5

// IpHeader is what the router needs to know of a packet. Offsets count from the packet's start.
struct IpHeader {
  IpAddress source;
  IpAddress destination;
  std::uint32_t packet_len = 0;  // from the header's own length field: header included, padding not
  std::uint16_t header_len = 0;  // IPv4 with options; IPv6 fixed header only (40)
  std::uint8_t protocol = 0;     // IPv4 protocol / IPv6 first next-header
  std::uint8_t hop_limit = 0;    // TTL
  std::uint8_t traffic_class = 0;  // DSCP and ECN
  bool dont_fragment = false;      // IPv6: always true
};

// Version 4 or 6, header inside `bytes`, length field between the header's length and
// bytes.size(), no fragment that ends beyond the 65,535 bytes that a whole packet can have, and no
// more IPv6 extension headers than are walked to see that. Anything else: nullopt. Trailing bytes
// (padding) are allowed. The IPv4 header checksum is not verified (neither does the kernel module).
std::optional<IpHeader> parse_ip(std::span<const std::uint8_t> bytes);

// IP protocol numbers that the router looks at.
inline constexpr std::uint8_t kProtocolIcmp = 1;
inline constexpr std::uint8_t kProtocolTcp = 6;
inline constexpr std::uint8_t kProtocolUdp = 17;
inline constexpr std::uint8_t kProtocolIcmpv6 = 58;

// UpperLayer is what lies behind the IP header and IPv6's extension headers.
struct UpperLayer {
  std::uint8_t protocol = 0;
  std::uint32_t offset = 0;  // of its first byte, ≤ packet_len
  bool fragmented = false;  // a part of a larger packet; IPv6's atomic fragments (RFC 6946) are not
  std::uint32_t fragment_at = 0;  // where in the whole packet's payload this part belongs
  bool has_start = true;          // false: a non-first fragment, no header of `protocol` is here
  bool source_routed = false;  // a routing header with segments left: not yet the last destination
};

// Walks hop-by-hop, routing, fragment, destination options and authentication headers, a bounded
// number of them. nullopt: one is cut off. `packet` was accepted by parse_ip as `header`.
std::optional<UpperLayer> find_upper_layer(std::span<const std::uint8_t> packet,
                                           const IpHeader& header);

// Lowers TTL / hop limit by one in place; IPv4's checksum incrementally (RFC 1624 eqn. 3).
// `packet` was accepted by parse_ip, and its hop limit is ≥ 2.
void decrement_hop_limit(std::span<std::uint8_t> packet);

// ECN (RFC 3168), the low two bits of the traffic class.
inline constexpr std::uint8_t kEcnMask = 3;
inline constexpr std::uint8_t kEcnNotEct = 0;
inline constexpr std::uint8_t kEcnEct1 = 1;
inline constexpr std::uint8_t kEcnEct0 = 2;
inline constexpr std::uint8_t kEcnCe = 3;

// What the outer header carries for an inner traffic class: DSCP 0 and the inner ECN
// (RFC 6040 §4.1 normal mode).
std::uint8_t outer_traffic_class(std::uint8_t inner_traffic_class);

// RFC 6040 §4.2 at the tunnel's end: combines the outer header's ECN into the inner packet in
// place (IPv4's checksum too), and says what its traffic class is then. CONFORMANCE: no combination
// is dropped; outer CE with inner not-ECT leaves the inner packet as it is. `packet` was accepted
// by parse_ip.
std::uint8_t decapsulate_ecn(std::span<std::uint8_t> packet, std::uint8_t outer_traffic_class);

// Writes the header of a packet of our own, which is all of `packet`: no options, not to be
// fragmented, IPv4's checksum right. Returns its length. Both addresses have one family.
std::size_t write_ip_header(std::span<std::uint8_t> packet, const IpAddress& source,
                            const IpAddress& destination, std::uint8_t protocol,
                            std::uint8_t hop_limit, std::uint8_t traffic_class = 0);

}  // namespace hawser
