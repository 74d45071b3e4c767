#include "routing/ip_packet.h"

#include <cassert>

#include "base/wire.h"
#include "routing/checksum.h"

namespace hawser {
namespace {

// Offsets in an IPv4 header.
constexpr std::size_t kV4TrafficClass = 1;
constexpr std::size_t kV4TotalLength = 2;
constexpr std::size_t kV4Fragment = 6;
constexpr std::size_t kV4Ttl = 8;
constexpr std::size_t kV4Protocol = 9;
constexpr std::size_t kV4Checksum = 10;
constexpr std::size_t kV4Source = 12;
constexpr std::size_t kV4Destination = 16;
constexpr std::uint16_t kV4DontFragment = 0x4000;
constexpr std::uint16_t kV4MoreFragments = 0x2000;
constexpr std::uint16_t kV4FragmentOffset = 0x1fff;

// The longest IPv4 packet, and the longest payload of an IPv6 one: what their length fields say.
constexpr std::uint32_t kMaxWholeLen = 65535;

// Offsets in an IPv6 header.
constexpr std::size_t kV6PayloadLength = 4;
constexpr std::size_t kV6NextHeader = 6;
constexpr std::size_t kV6HopLimit = 7;
constexpr std::size_t kV6Source = 8;
constexpr std::size_t kV6Destination = 24;

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
  header.packet_len = load_be16(p + kV4TotalLength);
  if (header.header_len < kMinIpv4HeaderLen || header.packet_len < header.header_len ||
      header.packet_len > bytes.size()) {
    return {};
  }
  header.source = IpAddress::v4(std::span<const std::uint8_t, 4>(p + kV4Source, 4));
  header.destination = IpAddress::v4(std::span<const std::uint8_t, 4>(p + kV4Destination, 4));
  header.protocol = p[kV4Protocol];
  header.hop_limit = p[kV4Ttl];
  header.traffic_class = p[kV4TrafficClass];
  const std::uint16_t fragment = load_be16(p + kV4Fragment);
  header.dont_fragment = (fragment & kV4DontFragment) != 0;
  if ((fragment & kV4FragmentOffset) * 8U + header.packet_len > kMaxWholeLen) return {};
  return header;
}

std::optional<IpHeader> parse_v6(std::span<const std::uint8_t> bytes) {
  if (bytes.size() < kIpv6HeaderLen) return {};
  const std::uint8_t* const p = bytes.data();
  IpHeader header;
  header.header_len = kIpv6HeaderLen;
  header.packet_len = static_cast<std::uint32_t>(kIpv6HeaderLen) + load_be16(p + kV6PayloadLength);
  if (header.packet_len > bytes.size()) return {};
  header.source = IpAddress::v6(std::span<const std::uint8_t, 16>(p + kV6Source, 16));
  header.destination = IpAddress::v6(std::span<const std::uint8_t, 16>(p + kV6Destination, 16));
  header.protocol = p[kV6NextHeader];
  header.hop_limit = p[kV6HopLimit];
  header.traffic_class = static_cast<std::uint8_t>(load_be16(p) >> 4);
  header.dont_fragment = true;
  return header;
}

UpperLayer v4_upper_layer(std::span<const std::uint8_t> packet, const IpHeader& header) {
  const std::uint16_t fragment = load_be16(packet.data() + kV4Fragment);
  UpperLayer upper;
  upper.protocol = header.protocol;
  upper.offset = header.header_len;
  upper.fragmented = (fragment & (kV4MoreFragments | kV4FragmentOffset)) != 0;
  upper.fragment_at = (fragment & kV4FragmentOffset) * 8U;
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
  const std::uint16_t checksum = load_be16(packet + kV4Checksum);
  store_be16(packet + offset, new_word);
  store_be16(packet + kV4Checksum, checksum_adjust(checksum, old_word, new_word));
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
    assert(p[kV4Ttl] >= 2);
    change_v4_word(p, kV4Ttl, static_cast<std::uint16_t>(load_be16(p + kV4Ttl) - 0x0100));
  } else {
    assert(p[kV6HopLimit] >= 2);
    --p[kV6HopLimit];
  }
}

std::uint8_t outer_traffic_class(std::uint8_t inner_traffic_class) {
  return inner_traffic_class & kEcnMask;
}

void decapsulate_ecn(std::span<std::uint8_t> packet, std::uint8_t outer_traffic_class) {
  std::uint8_t* const p = packet.data();
  const std::uint8_t outer = outer_traffic_class & kEcnMask;
  if (version(packet) == 4) {
    const std::uint8_t inner = p[kV4TrafficClass] & kEcnMask;
    const std::uint8_t combined = combine_ecn(inner, outer);
    if (combined == inner) return;
    const unsigned word = (load_be16(p) & ~unsigned{kEcnMask}) | combined;
    change_v4_word(p, 0, static_cast<std::uint16_t>(word));
  } else {
    // version (4 bits), traffic class (8), flow label (20): the ECN is bits 4 and 5 of byte 1.
    const std::uint8_t inner = (p[1] >> 4) & kEcnMask;
    const std::uint8_t combined = combine_ecn(inner, outer);
    p[1] = static_cast<std::uint8_t>((p[1] & ~(kEcnMask << 4)) | combined << 4);
  }
}

}  // namespace hawser
