#include "bench/load/inner_packet.h"

#include <cassert>
#include <cstring>
#include <optional>

#include "base/wire.h"
#include "bench/load/peer_plan.h"
#include "routing/checksum.h"
#include "routing/ip_packet.h"

namespace hawser::load {
namespace {

constexpr std::size_t kUdpHeaderLen = 8;
constexpr std::size_t kNumberLen = 16;  // with its complement
constexpr std::uint16_t kUdpPort = 9;   // discard
constexpr std::size_t kIpv4TtlOffset = 8;
constexpr std::size_t kIpv4ChecksumOffset = 10;
constexpr std::size_t kUdpChecksumOffset = 6;

static_assert(kMinInnerLen == kIpv6HeaderLen + kUdpHeaderLen + kNumberLen);

std::size_t ip_header_len(IpFamily family) {
  return family == IpFamily::kV4 ? kMinIpv4HeaderLen : kIpv6HeaderLen;
}

std::size_t number_offset(IpFamily family) { return ip_header_len(family) + kUdpHeaderLen; }

void write_ipv4_header(std::span<std::uint8_t> packet, const IpAddress& from, const IpAddress& to) {
  packet[0] = 0x45;
  store_be16(&packet[2], static_cast<std::uint16_t>(packet.size()));
  packet[6] = 0x40;  // don't fragment
  packet[kIpv4TtlOffset] = kInnerHopLimit;
  packet[9] = kProtocolUdp;
  std::memcpy(&packet[12], from.bytes.data(), 4);
  std::memcpy(&packet[16], to.bytes.data(), 4);
  store_be16(&packet[kIpv4ChecksumOffset],
             checksum_finish(checksum_add(0, packet.first(kMinIpv4HeaderLen))));
}

void write_ipv6_header(std::span<std::uint8_t> packet, const IpAddress& from, const IpAddress& to) {
  packet[0] = 0x60;
  store_be16(&packet[4], static_cast<std::uint16_t>(packet.size() - kIpv6HeaderLen));
  packet[6] = kProtocolUdp;
  packet[7] = kInnerHopLimit;
  std::memcpy(&packet[8], from.bytes.data(), 16);
  std::memcpy(&packet[24], to.bytes.data(), 16);
}

void write_udp(std::span<std::uint8_t> datagram, const IpAddress& from, const IpAddress& to) {
  const auto len = static_cast<std::uint16_t>(datagram.size());
  store_be16(&datagram[0], kUdpPort);
  store_be16(&datagram[2], kUdpPort);
  store_be16(&datagram[4], len);
  const std::uint64_t sum = pseudo_header_sum(from, to, kProtocolUdp, len);
  store_be16(&datagram[kUdpChecksumOffset], checksum_finish(checksum_add(sum, datagram)));
}

}  // namespace

InnerPacket::InnerPacket(std::size_t pair, IpFamily family, std::size_t len)
    : source_(PeerPlan::address(Side::kA, pair, family)),
      destination_(PeerPlan::address(Side::kB, pair, family)),
      bytes_(len) {
  assert(len >= kMinInnerLen && len <= kMaxInnerLen);
  const std::size_t header_len = ip_header_len(family);
  for (std::size_t i = number_offset(source_.family) + kNumberLen; i < len; ++i) {
    bytes_[i] = static_cast<std::uint8_t>(i * 7 + pair);
  }
  // The complement of number 0, so that the checksum is that of any number.
  std::memset(&bytes_[number_offset(source_.family) + kNumberLen / 2], 0xff, kNumberLen / 2);
  if (family == IpFamily::kV4) {
    write_ipv4_header(bytes_, source_, destination_);
  } else {
    write_ipv6_header(bytes_, source_, destination_);
  }
  write_udp(std::span(bytes_).subspan(header_len), source_, destination_);
}

void InnerPacket::write(std::uint8_t* out, std::uint64_t number) const {
  std::memcpy(out, bytes_.data(), bytes_.size());
  store_le64(out + number_offset(source_.family), number);
  store_le64(out + number_offset(source_.family) + kNumberLen / 2, ~number);
}

std::optional<std::uint64_t> InnerPacket::read_number(std::span<const std::uint8_t> packet,
                                                      IpFamily family) {
  if (packet.size() < number_offset(family) + kNumberLen) return std::nullopt;
  return load_le64(&packet[number_offset(family)]);
}

InnerFault InnerPacket::check(std::span<const std::uint8_t> packet) const {
  const std::optional<IpHeader> header = parse_ip(packet);
  if (!header || header->packet_len != bytes_.size()) return InnerFault::kNotIp;
  if (header->source != source_ || header->destination != destination_) {
    return InnerFault::kAddress;
  }
  if (header->hop_limit != kInnerHopLimit - 1) return InnerFault::kHopLimit;
  if (source_.family == IpFamily::kV4 &&
      checksum_finish(checksum_add(0, packet.first(kMinIpv4HeaderLen))) != 0) {
    return InnerFault::kChecksum;
  }
  const std::size_t udp_at = ip_header_len(source_.family);
  const std::size_t number_at = number_offset(source_.family);
  const std::size_t fill_at = number_at + kNumberLen;
  const bool as_sent =
      std::memcmp(&packet[udp_at], &bytes_[udp_at], kUdpHeaderLen) == 0 &&
      load_le64(&packet[number_at + kNumberLen / 2]) == ~load_le64(&packet[number_at]) &&
      std::memcmp(packet.data() + fill_at, bytes_.data() + fill_at, bytes_.size() - fill_at) == 0;
  return as_sent ? InnerFault::kNone : InnerFault::kPayload;
}

}  // namespace hawser::load
