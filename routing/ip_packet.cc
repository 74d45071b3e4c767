#include "routing/ip_packet.h"

#include <cassert>
#include <cstring>

#include "base/wire.h"
#include "routing/checksum.h"
#include "routing/header_fields.h"

namespace hawser {
namespace {

// The longest IPv4 packet, and the longest payload of an IPv6 one: what their length fields say.
constexpr std::uint32_t kMaxWholeLen = 65535;

// IPv6 extension headers (RFC 8200 §4).
constexpr std::uint8_t kHopByHop = 0;
constexpr std::uint8_t kRouting = 43;
constexpr std::uint8_t kFragment = 44;
constexpr std::uint8_t kAuthentication = 51;
constexpr std::uint8_t kDestinationOptions = 60;
constexpr std::size_t kMinExtensionLen = 8;
constexpr std::uint16_t kV6FragmentOffset = 0xfff8;
constexpr std::uint16_t kV6MoreFragments = 1;
// RFC 8200 §4.1 knows seven in a packet at most, each once (destination options twice).
constexpr unsigned kMaxExtensionHeaders = 8;

unsigned version(std::span<const std::uint8_t> bytes) { return bytes[0] >> 4; }

std::optional<IpHeader> parse_v4(std::span<const std::uint8_t> bytes) {
  if (bytes.size() < kMinIpv4HeaderLen) return {};
  const std::uint8_t* const p = bytes.data();
  IpHeader header;
  header.header_len = static_cast<std::uint16_t>((p[0] & 15) * 4);
  header.packet_len = load_be16(p + ipv4::kTotalLength);
  if (header.header_len < kMinIpv4HeaderLen || header.packet_len < header.header_len ||
      header.packet_len > bytes.size()) {
    return {};
  }
  header.source = IpAddress::v4(std::span<const std::uint8_t, 4>(p + ipv4::kSource, 4));
  header.destination = IpAddress::v4(std::span<const std::uint8_t, 4>(p + ipv4::kDestination, 4));
  header.protocol = p[ipv4::kProtocol];
  header.hop_limit = p[ipv4::kTtl];
  header.traffic_class = p[ipv4::kTrafficClass];
  const std::uint16_t fragment = load_be16(p + ipv4::kFragment);
  header.dont_fragment = (fragment & ipv4::kDontFragment) != 0;
  if ((fragment & ipv4::kFragmentOffset) * 8U + header.packet_len > kMaxWholeLen) return {};
  return header;
}

std::optional<IpHeader> parse_v6(std::span<const std::uint8_t> bytes) {
  if (bytes.size() < kIpv6HeaderLen) return {};
  const std::uint8_t* const p = bytes.data();
  IpHeader header;
  header.header_len = kIpv6HeaderLen;
  header.packet_len =
      static_cast<std::uint32_t>(kIpv6HeaderLen) + load_be16(p + ipv6::kPayloadLength);
  if (header.packet_len > bytes.size()) return {};
  header.source = IpAddress::v6(std::span<const std::uint8_t, 16>(p + ipv6::kSource, 16));
  header.destination = IpAddress::v6(std::span<const std::uint8_t, 16>(p + ipv6::kDestination, 16));
  header.protocol = p[ipv6::kNextHeader];
  header.hop_limit = p[ipv6::kHopLimit];
  header.traffic_class = static_cast<std::uint8_t>(load_be16(p) >> 4);
  header.dont_fragment = true;
  return header;
}

UpperLayer v4_upper_layer(std::span<const std::uint8_t> packet, const IpHeader& header) {
  const std::uint16_t fragment = load_be16(packet.data() + ipv4::kFragment);
  UpperLayer upper;
  upper.protocol = header.protocol;
  upper.offset = header.header_len;
  upper.fragmented = (fragment & ipv4::kFragmented) != 0;
  upper.fragment_at = (fragment & ipv4::kFragmentOffset) * 8U;
  upper.has_start = upper.fragment_at == 0;
  return upper;
}

bool is_extension(std::uint8_t protocol) {
  return protocol == kHopByHop || protocol == kRouting || protocol == kFragment ||
         protocol == kAuthentication || protocol == kDestinationOptions;
}

std::size_t extension_len(std::uint8_t protocol, const std::uint8_t* extension) {
  if (protocol == kFragment) return kMinExtensionLen;
  if (protocol == kAuthentication) return (std::size_t{extension[1]} + 2) * 4;  // RFC 4302 §2.2
  return (std::size_t{extension[1]} + 1) * 8;
}

enum class Chain : std::uint8_t { kWhole, kCutOff, kTooLong };

// Walks the chain of extension headers to the upper layer, or to its end in a later fragment.
Chain walk_chain(UpperLayer& upper, std::span<const std::uint8_t> packet, const IpHeader& header) {
  upper.protocol = header.protocol;
  upper.offset = header.header_len;
  for (unsigned num = 0; is_extension(upper.protocol); ++num) {
    if (num == kMaxExtensionHeaders) return Chain::kTooLong;
    if (header.packet_len - upper.offset < kMinExtensionLen) return Chain::kCutOff;
    const std::uint8_t* const extension = packet.data() + upper.offset;
    const std::size_t len = extension_len(upper.protocol, extension);
    if (header.packet_len - upper.offset < len) return Chain::kCutOff;
    if (upper.protocol == kRouting && extension[3] != 0) upper.source_routed = true;
    if (upper.protocol == kFragment) {
      const std::uint16_t fragment = load_be16(extension + 2);
      if ((fragment & (kV6FragmentOffset | kV6MoreFragments)) != 0) upper.fragmented = true;
      upper.fragment_at = fragment & kV6FragmentOffset;
      if (upper.fragment_at != 0) upper.has_start = false;
    }
    upper.protocol = extension[0];
    upper.offset += static_cast<std::uint32_t>(len);
    if (!upper.has_start) break;
  }
  return Chain::kWhole;
}

std::optional<UpperLayer> v6_upper_layer(std::span<const std::uint8_t> packet,
                                         const IpHeader& header) {
  UpperLayer upper;
  if (walk_chain(upper, packet, header) != Chain::kWhole) return {};
  return upper;
}

// Does this fragment end beyond the longest packet? Of a whole one the fragment header is left out.
// Behind more headers than we walk nobody knows: yes. What is cut off names no fragment.
bool may_end_beyond_whole(std::span<const std::uint8_t> packet, const IpHeader& header) {
  UpperLayer upper;
  const Chain chain = walk_chain(upper, packet, header);
  if (chain == Chain::kTooLong) return true;
  if (chain == Chain::kCutOff || upper.has_start) return false;
  const std::uint32_t payload_len =
      header.packet_len - header.header_len - std::uint32_t{kMinExtensionLen};
  return upper.fragment_at + payload_len > kMaxWholeLen;
}

// Stores a 16-bit word of the IPv4 header and mends the header's checksum.
void change_v4_word(std::uint8_t* packet, std::size_t offset, std::uint16_t new_word) {
  const std::uint16_t old_word = load_be16(packet + offset);
  const std::uint16_t checksum = load_be16(packet + ipv4::kChecksum);
  store_be16(packet + offset, new_word);
  store_be16(packet + ipv4::kChecksum, checksum_adjust(checksum, old_word, new_word));
}

// RFC 6040 figure 4: what the inner ECN becomes.
std::uint8_t combine_ecn(std::uint8_t inner, std::uint8_t outer) {
  if (inner == kEcnNotEct) return inner;
  if (outer == kEcnCe) return kEcnCe;
  if (outer == kEcnEct1 && inner == kEcnEct0) return kEcnEct1;
  return inner;
}

}  // namespace

std::optional<IpHeader> parse_ip(std::span<const std::uint8_t> bytes) {
  if (bytes.empty()) return {};
  if (version(bytes) == 4) return parse_v4(bytes);
  if (version(bytes) != 6) return {};
  const std::optional<IpHeader> header = parse_v6(bytes);
  if (header && is_extension(header->protocol) && may_end_beyond_whole(bytes, *header)) return {};
  return header;
}

std::optional<UpperLayer> find_upper_layer(std::span<const std::uint8_t> packet,
                                           const IpHeader& header) {
  assert(packet.size() >= header.packet_len);
  if (header.source.family == IpFamily::kV4) return v4_upper_layer(packet, header);
  return v6_upper_layer(packet, header);
}

void decrement_hop_limit(std::span<std::uint8_t> packet) {
  std::uint8_t* const p = packet.data();
  if (version(packet) == 4) {
    assert(p[ipv4::kTtl] >= 2);
    change_v4_word(p, ipv4::kTtl, static_cast<std::uint16_t>(load_be16(p + ipv4::kTtl) - 0x0100));
  } else {
    assert(p[ipv6::kHopLimit] >= 2);
    --p[ipv6::kHopLimit];
  }
}

std::uint8_t outer_traffic_class(std::uint8_t inner_traffic_class) {
  return inner_traffic_class & kEcnMask;
}

std::uint8_t decapsulate_ecn(std::span<std::uint8_t> packet, std::uint8_t outer_traffic_class) {
  std::uint8_t* const p = packet.data();
  const bool is_v4 = version(packet) == 4;
  const auto before = is_v4 ? p[ipv4::kTrafficClass] : static_cast<std::uint8_t>(load_be16(p) >> 4);
  const std::uint8_t inner = before & kEcnMask;
  const std::uint8_t combined = combine_ecn(inner, outer_traffic_class & kEcnMask);
  if (combined == inner) return before;
  const auto after = static_cast<std::uint8_t>((before & ~kEcnMask) | combined);
  // The first word. IPv4: version, header length, traffic class; IPv6: version, traffic class, the
  // first bits of the flow label.
  if (is_v4) {
    change_v4_word(p, 0, static_cast<std::uint16_t>(p[0] << 8 | after));
  } else {
    store_be16(p, static_cast<std::uint16_t>((load_be16(p) & 0xf00f) | after << 4));
  }
  return after;
}

std::size_t write_ip_header(std::span<std::uint8_t> packet, const IpAddress& source,
                            const IpAddress& destination, std::uint8_t protocol,
                            std::uint8_t hop_limit, std::uint8_t traffic_class) {
  assert(source.family == destination.family);
  const bool is_v4 = source.family == IpFamily::kV4;
  const std::size_t header_len = is_v4 ? kMinIpv4HeaderLen : kIpv6HeaderLen;
  std::uint8_t* const p = packet.data();
  std::memset(p, 0, header_len);
  if (is_v4) {
    p[0] = 0x45;
    p[ipv4::kTrafficClass] = traffic_class;
    store_be16(p + ipv4::kTotalLength, static_cast<std::uint16_t>(packet.size()));
    store_be16(p + ipv4::kFragment, ipv4::kDontFragment);
    p[ipv4::kTtl] = hop_limit;
    p[ipv4::kProtocol] = protocol;
    std::memcpy(p + ipv4::kSource, source.bytes.data(), source.size());
    std::memcpy(p + ipv4::kDestination, destination.bytes.data(), source.size());
    store_be16(p + ipv4::kChecksum, checksum_finish(checksum_add(0, packet.first(header_len))));
  } else {
    store_be16(p, static_cast<std::uint16_t>(0x6000 | traffic_class << 4));
    store_be16(p + ipv6::kPayloadLength, static_cast<std::uint16_t>(packet.size() - header_len));
    p[ipv6::kNextHeader] = protocol;
    p[ipv6::kHopLimit] = hop_limit;
    std::memcpy(p + ipv6::kSource, source.bytes.data(), source.size());
    std::memcpy(p + ipv6::kDestination, destination.bytes.data(), source.size());
  }
  return header_len;
}

}  // namespace hawser
