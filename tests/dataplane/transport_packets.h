#pragma once
// TCP and UDP packets and super-packets made by hand.
#include <cstdint>
#include <span>
#include <vector>

#include "dataplane/segmentation.h"
#include "dataplane/train.h"
#include "tests/routing/packets.h"

namespace hawser::test {

// One direction of a flow, and the header fields that its next packet has.
struct FlowSpec {
  IpAddress source = address("10.0.0.1");
  IpAddress destination = address("10.0.0.2");
  bool is_tcp = true;
  std::uint16_t source_port = 1000;
  std::uint16_t destination_port = 2000;
  std::uint8_t traffic_class = 0;
  std::uint8_t hop_limit = 64;
  std::uint16_t id = 7;        // IPv4
  bool dont_fragment = true;   // IPv4
  std::uint32_t sequence = 1;  // TCP, as all below
  std::uint32_t acknowledgement = 99;
  std::uint8_t flags = 0x10;
  std::uint16_t window = 501;
  Bytes options;  // a multiple of 4 bytes

  bool is_v4() const { return source.family == IpFamily::kV4; }
  std::size_t ip_header_len() const { return is_v4() ? 20 : 40; }
  std::size_t transport_header_len() const { return is_tcp ? 20 + options.size() : 8; }
  std::size_t header_len() const { return ip_header_len() + transport_header_len(); }
  std::size_t checksum_offset() const { return is_tcp ? 16 : 6; }
};

inline FlowSpec v6_flow() {
  FlowSpec spec;
  spec.source = address("fd00::1");
  spec.destination = address("fd00::2");
  return spec;
}

inline FlowSpec random_flow(Random& random) {
  FlowSpec spec;
  const IpFamily family = random() % 2 == 0 ? IpFamily::kV4 : IpFamily::kV6;
  spec.source = random_address(random, family);
  spec.destination = random_address(random, family);
  spec.is_tcp = random() % 2 == 0;
  spec.source_port = static_cast<std::uint16_t>(random());
  spec.destination_port = static_cast<std::uint16_t>(random());
  spec.traffic_class = static_cast<std::uint8_t>(random());
  spec.hop_limit = static_cast<std::uint8_t>(random());
  spec.id = static_cast<std::uint16_t>(random());
  spec.dont_fragment = random() % 2 == 0;
  spec.sequence = static_cast<std::uint32_t>(random());
  spec.acknowledgement = static_cast<std::uint32_t>(random());
  spec.window = static_cast<std::uint16_t>(random());
  spec.options = random_bytes(random, random() % 11 * 4);
  return spec;
}

// The packet without its transport checksum.
inline Bytes packet_without_checksum(const FlowSpec& spec, std::span<const std::uint8_t> payload) {
  Bytes transport(spec.transport_header_len());
  store_be16(transport.data(), spec.source_port);
  store_be16(&transport[2], spec.destination_port);
  if (spec.is_tcp) {
    store_be32(&transport[4], spec.sequence);
    store_be32(&transport[8], spec.acknowledgement);
    transport[12] = static_cast<std::uint8_t>(transport.size() / 4 << 4);
    transport[13] = spec.flags;
    store_be16(&transport[14], spec.window);
    std::copy(spec.options.begin(), spec.options.end(), transport.begin() + 20);
  } else {
    store_be16(&transport[4], static_cast<std::uint16_t>(transport.size() + payload.size()));
  }
  transport.insert(transport.end(), payload.begin(), payload.end());
  Bytes packet = ip_packet(spec.source, spec.destination, spec.is_tcp ? 6 : 17, transport,
                           spec.traffic_class, spec.hop_limit);
  if (spec.is_v4()) {
    store_be16(&packet[4], spec.id);
    store_be16(&packet[6], spec.dont_fragment ? 0x4000 : 0);
    store_be16(&packet[10], 0);
    store_be16(&packet[10], plain_checksum(std::span(packet).first(20)));
  }
  return packet;
}

// A complete packet.
inline Bytes transport_packet(const FlowSpec& spec, std::span<const std::uint8_t> payload) {
  Bytes packet = packet_without_checksum(spec, payload);
  const std::span<std::uint8_t> transport = std::span(packet).subspan(spec.ip_header_len());
  const std::uint16_t checksum = plain_checksum(
      transport,
      plain_pseudo_sum(spec.source, spec.destination, spec.is_tcp ? 6 : 17, transport.size()));
  store_be16(&transport[spec.checksum_offset()],
             !spec.is_tcp && checksum == 0 ? std::uint16_t{0xffff} : checksum);
  return packet;
}

struct SuperPacket {
  Bytes bytes;
  TunOffload offload;
};

// A super-packet as the kernel hands it over: the checksum covers the pseudo header alone.
inline SuperPacket super_packet(const FlowSpec& spec, std::span<const std::uint8_t> payload,
                                std::uint16_t segment_payload) {
  SuperPacket made;
  made.bytes = packet_without_checksum(spec, payload);
  const std::size_t covered = made.bytes.size() - spec.ip_header_len();
  store_be16(&made.bytes[spec.ip_header_len() + spec.checksum_offset()],
             static_cast<std::uint16_t>(
                 plain_pseudo_sum(spec.source, spec.destination, spec.is_tcp ? 6 : 17, covered)));
  using Gso = TunOffload::Gso;
  made.offload.gso = !spec.is_tcp ? Gso::kUdp : spec.is_v4() ? Gso::kTcpV4 : Gso::kTcpV6;
  made.offload.needs_checksum = true;
  made.offload.header_len = static_cast<std::uint16_t>(spec.header_len());
  made.offload.segment_payload = segment_payload;
  made.offload.csum_start = static_cast<std::uint16_t>(spec.ip_header_len());
  made.offload.csum_offset = static_cast<std::uint16_t>(spec.checksum_offset());
  return made;
}

// The packets that the same payload makes when it is sent one by one.
inline std::vector<Bytes> single_packets(FlowSpec spec, std::span<const std::uint8_t> payload,
                                         std::size_t segment_payload) {
  constexpr std::uint8_t kFinAndPsh = 0x09;
  constexpr std::uint8_t kCwr = 0x80;
  const std::uint8_t flags = spec.flags;
  std::vector<Bytes> packets;
  for (std::size_t at = 0; at < payload.size(); at += segment_payload) {
    const std::size_t len = std::min(segment_payload, payload.size() - at);
    spec.flags = flags;
    if (at + len < payload.size()) spec.flags &= static_cast<std::uint8_t>(~kFinAndPsh);
    if (at > 0) spec.flags &= static_cast<std::uint8_t>(~kCwr);
    packets.push_back(transport_packet(spec, payload.subspan(at, len)));
    spec.sequence += static_cast<std::uint32_t>(len);
    ++spec.id;
  }
  return packets;
}

inline std::vector<Bytes> segments_of(const Segmenter& segmenter) {
  std::vector<Bytes> segments;
  for (std::uint32_t i = 0; i < segmenter.num_segments(); ++i) {
    // An exact heap block, so that a sanitizer sees any byte too far.
    segments.emplace_back(segmenter.segment_len(i));
    segmenter.write(i, segments.back().data());
  }
  return segments;
}

}  // namespace hawser::test
