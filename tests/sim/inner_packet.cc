#include "tests/sim/inner_packet.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "base/wire.h"
#include "routing/checksum.h"
#include "routing/ip_packet.h"

namespace hawser::testing {
namespace {

constexpr std::uint32_t kMark = 0x48415753;
constexpr std::size_t kUdpHeaderLen = 8;
constexpr std::uint16_t kSourcePort = 4000;
constexpr std::uint16_t kDestinationPort = 4001;

std::uint8_t pattern(std::uint64_t id, std::size_t at) {
  return static_cast<std::uint8_t>((id * 31 + at * 7) ^ (at >> 3));
}

// An IP header for `payload_len` bytes of `protocol`, the rest zero.
Packet make_ip(const IpAddress& source, const IpAddress& destination, std::uint8_t protocol,
               std::size_t payload_len, std::uint8_t hop_limit, std::uint8_t traffic_class,
               bool dont_fragment) {
  assert(source.family == destination.family);
  const bool v4 = source.family == IpFamily::kV4;
  const std::size_t header_len = v4 ? kMinIpv4HeaderLen : kIpv6HeaderLen;
  Packet packet(header_len + payload_len);
  std::uint8_t* const p = packet.data();
  if (v4) {
    p[0] = 0x45;
    p[1] = traffic_class;
    store_be16(p + 2, static_cast<std::uint16_t>(packet.size()));
    store_be16(p + 6, dont_fragment ? 0x4000 : 0);
    p[8] = hop_limit;
    p[9] = protocol;
    std::memcpy(p + 12, source.bytes.data(), 4);
    std::memcpy(p + 16, destination.bytes.data(), 4);
    store_be16(p + 10, checksum_finish(checksum_add(0, {p, header_len})));
  } else {
    store_be32(p, 0x60000000U | (std::uint32_t{traffic_class} << 20));
    store_be16(p + 4, static_cast<std::uint16_t>(payload_len));
    p[6] = protocol;
    p[7] = hop_limit;
    std::memcpy(p + 8, source.bytes.data(), 16);
    std::memcpy(p + 24, destination.bytes.data(), 16);
  }
  return packet;
}

std::uint16_t transport_checksum(std::span<const std::uint8_t> payload, const IpAddress& source,
                                 const IpAddress& destination, std::uint8_t protocol) {
  const std::uint64_t pseudo =
      pseudo_header_sum(source, destination, protocol, static_cast<std::uint32_t>(payload.size()));
  return checksum_finish(checksum_add(pseudo, payload));
}

}  // namespace

Packet make_packet(const InnerPacket& inner) {
  assert(inner.payload_len >= kMinInnerPayload);
  const std::size_t udp_len = kUdpHeaderLen + inner.payload_len;
  Packet packet = make_ip(inner.source, inner.destination, kProtocolUdp, udp_len, inner.hop_limit,
                          inner.traffic_class, inner.dont_fragment);
  const std::span udp = std::span(packet).last(udp_len);
  store_be16(&udp[0], kSourcePort);
  store_be16(&udp[2], kDestinationPort);
  store_be16(&udp[4], static_cast<std::uint16_t>(udp_len));
  store_be32(&udp[8], kMark);
  store_be64(&udp[12], inner.id);
  for (std::size_t i = kMinInnerPayload; i < inner.payload_len; ++i) {
    udp[kUdpHeaderLen + i] = pattern(inner.id, i);
  }
  std::uint16_t checksum = transport_checksum(udp, inner.source, inner.destination, kProtocolUdp);
  if (checksum == 0) checksum = 0xffff;
  store_be16(&udp[6], checksum);
  return packet;
}

SuperPacket make_super_packet(std::span<const InnerPacket> packets) {
  const InnerPacket& first = packets.front();
  const std::size_t payload = first.payload_len * packets.size();
  SuperPacket joined;
  joined.bytes = make_ip(first.source, first.destination, kProtocolUdp, kUdpHeaderLen + payload,
                         first.hop_limit, first.traffic_class, first.dont_fragment);
  const std::size_t udp_at = joined.bytes.size() - kUdpHeaderLen - payload;
  std::uint8_t* const udp = joined.bytes.data() + udp_at;
  const auto udp_len = static_cast<std::uint16_t>(kUdpHeaderLen + payload);
  store_be16(udp, kSourcePort);
  store_be16(udp + 2, kDestinationPort);
  store_be16(udp + 4, udp_len);
  store_be16(udp + 6, checksum_fold(pseudo_header_sum(first.source, first.destination, kProtocolUdp,
                                                      udp_len)));
  std::uint8_t* to = udp + kUdpHeaderLen;
  for (const InnerPacket& inner : packets) {
    const Packet one = make_packet(inner);
    to = std::copy(one.end() - static_cast<std::ptrdiff_t>(first.payload_len), one.end(), to);
  }
  joined.offload = {.gso = TunOffload::Gso::kUdp,
                    .needs_checksum = true,
                    .header_len = static_cast<std::uint16_t>(udp_at + kUdpHeaderLen),
                    .segment_payload = static_cast<std::uint16_t>(first.payload_len),
                    .csum_start = static_cast<std::uint16_t>(udp_at),
                    .csum_offset = 6};
  return joined;
}

std::optional<InnerPacket> read_packet(std::span<const std::uint8_t> packet) {
  const auto header = parse_ip(packet);
  if (!header || header->packet_len != packet.size() || header->protocol != kProtocolUdp) {
    return std::nullopt;
  }
  const bool v4 = header->source.family == IpFamily::kV4;
  if (v4 && checksum_finish(checksum_add(0, packet.first(header->header_len))) != 0) {
    return std::nullopt;
  }
  const auto udp = packet.subspan(header->header_len);
  if (udp.size() < kUdpHeaderLen + kMinInnerPayload || load_be16(&udp[0]) != kSourcePort ||
      load_be16(&udp[4]) != udp.size() || load_be32(&udp[8]) != kMark ||
      transport_checksum(udp, header->source, header->destination, kProtocolUdp) != 0) {
    return std::nullopt;
  }
  InnerPacket inner{.source = header->source,
                    .destination = header->destination,
                    .id = load_be64(&udp[12]),
                    .payload_len = udp.size() - kUdpHeaderLen,
                    .hop_limit = header->hop_limit,
                    .traffic_class = header->traffic_class,
                    .dont_fragment = header->dont_fragment};
  for (std::size_t i = kMinInnerPayload; i < inner.payload_len; ++i) {
    if (udp[kUdpHeaderLen + i] != pattern(inner.id, i)) return std::nullopt;
  }
  return inner;
}

Packet make_echo_request(const IpAddress& source, const IpAddress& destination, std::uint16_t id) {
  const bool v4 = source.family == IpFamily::kV4;
  const std::uint8_t protocol = v4 ? kProtocolIcmp : kProtocolIcmpv6;
  Packet packet = make_ip(source, destination, protocol, 16, 64, 0, true);
  const std::span icmp = std::span(packet).last(16);
  icmp[0] = v4 ? 8 : 128;
  store_be16(&icmp[4], id);
  const std::uint16_t checksum = v4 ? checksum_finish(checksum_add(0, icmp))
                                    : transport_checksum(icmp, source, destination, protocol);
  store_be16(&icmp[2], checksum);
  return packet;
}

std::optional<IcmpKind> read_icmp(std::span<const std::uint8_t> packet) {
  const auto header = parse_ip(packet);
  if (!header || header->packet_len != packet.size()) return std::nullopt;
  const auto icmp = packet.subspan(header->header_len);
  if (icmp.size() < 8) return std::nullopt;
  const bool v4 = header->protocol == kProtocolIcmp && header->source.family == IpFamily::kV4;
  const bool v6 = header->protocol == kProtocolIcmpv6 && header->source.family == IpFamily::kV6;
  const bool intact =
      (v4 && checksum_finish(checksum_add(0, icmp)) == 0) ||
      (v6 && transport_checksum(icmp, header->source, header->destination, kProtocolIcmpv6) == 0);
  if (!intact) return std::nullopt;
  return IcmpKind{icmp[0], icmp[1]};
}

IpAddress address(const char* text) {
  const auto parsed = IpAddress::parse(text);
  assert(parsed);
  return *parsed;
}

Prefix prefix(const char* text) {
  const auto parsed = Prefix::parse(text);
  assert(parsed);
  return *parsed;
}

}  // namespace hawser::testing
