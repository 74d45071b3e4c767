#include "bench/micro/tcp_packet.h"

#include <cassert>
#include <cstring>
#include <optional>

#include "base/wire.h"
#include "bench/load/peer_plan.h"
#include "dataplane/segmentation.h"
#include "routing/checksum.h"
#include "routing/ip_packet.h"

namespace hawser::bench {
namespace {

constexpr std::size_t kChecksumOffset = 16;

std::size_t ip_header_len(IpFamily family) {
  return family == IpFamily::kV4 ? kMinIpv4HeaderLen : kIpv6HeaderLen;
}

void write_ip_header(std::span<std::uint8_t> packet, const IpAddress& from, const IpAddress& to) {
  const std::size_t header_len = ip_header_len(from.family);
  if (from.family == IpFamily::kV4) {
    packet[0] = 0x45;
    store_be16(&packet[2], static_cast<std::uint16_t>(packet.size()));
    packet[6] = 0x40;  // don't fragment
    packet[8] = 64;
    packet[9] = kProtocolTcp;
    std::memcpy(&packet[12], from.bytes.data(), 4);
    std::memcpy(&packet[16], to.bytes.data(), 4);
    store_be16(&packet[10], checksum_finish(checksum_add(0, packet.first(header_len))));
    return;
  }
  packet[0] = 0x60;
  store_be16(&packet[4], static_cast<std::uint16_t>(packet.size() - header_len));
  packet[6] = kProtocolTcp;
  packet[7] = 64;
  std::memcpy(&packet[8], from.bytes.data(), 16);
  std::memcpy(&packet[24], to.bytes.data(), 16);
}

void write_tcp_header(std::uint8_t* tcp, std::uint16_t flow) {
  store_be16(tcp, static_cast<std::uint16_t>(30000 + flow));
  store_be16(tcp + 2, 5201);
  store_be32(tcp + 4, 1000);  // sequence number
  store_be32(tcp + 8, 1);
  tcp[12] = static_cast<std::uint8_t>(kTcpHeaderLen / 4 << 4);
  tcp[13] = 0x10;  // ACK
  store_be16(tcp + 14, 512);
  tcp[20] = tcp[21] = 1;  // no operation, twice; then the time stamps
  tcp[22] = 8;
  tcp[23] = 10;
}

}  // namespace

std::uint16_t segment_payload(IpFamily family) {
  return static_cast<std::uint16_t>(kDefaultMtu - ip_header_len(family) - kTcpHeaderLen);
}

TcpSuperPacket make_tcp_super_packet(IpFamily family, std::uint32_t num_segments,
                                     std::uint16_t flow) {
  const std::size_t ip_len = ip_header_len(family);
  const std::size_t payload_len = std::size_t{num_segments} * segment_payload(family);
  TcpSuperPacket packet;
  packet.bytes.assign(ip_len + kTcpHeaderLen + payload_len, 0x5a);
  std::fill_n(packet.bytes.begin(), ip_len + kTcpHeaderLen, std::uint8_t{0});
  const IpAddress from = load::PeerPlan::address(load::Side::kA, 0, family);
  const IpAddress to = load::PeerPlan::address(load::Side::kB, 0, family);
  write_ip_header(packet.bytes, from, to);
  write_tcp_header(packet.bytes.data() + ip_len, flow);
  const auto tcp_len = static_cast<std::uint32_t>(packet.bytes.size() - ip_len);
  store_be16(packet.bytes.data() + ip_len + kChecksumOffset,
             checksum_fold(pseudo_header_sum(from, to, kProtocolTcp, tcp_len)));
  packet.offload.gso = family == IpFamily::kV4 ? TunOffload::Gso::kTcpV4 : TunOffload::Gso::kTcpV6;
  packet.offload.needs_checksum = true;
  packet.offload.header_len = static_cast<std::uint16_t>(ip_len + kTcpHeaderLen);
  packet.offload.segment_payload = segment_payload(family);
  packet.offload.csum_start = static_cast<std::uint16_t>(ip_len);
  packet.offload.csum_offset = kChecksumOffset;
  return packet;
}

std::vector<std::vector<std::uint8_t>> cut(const TcpSuperPacket& packet) {
  const std::optional<Segmenter> segmenter = Segmenter::begin(packet.bytes, packet.offload);
  assert(segmenter);
  std::vector<std::vector<std::uint8_t>> segments;
  for (std::uint32_t i = 0; i < segmenter->num_segments(); ++i) {
    segments.emplace_back(segmenter->segment_len(i));
    segmenter->write(i, segments.back().data());
  }
  return segments;
}

}  // namespace hawser::bench
