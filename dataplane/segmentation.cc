#include "dataplane/segmentation.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "base/wire.h"
#include "routing/checksum.h"
#include "routing/header_fields.h"

namespace hawser {
namespace {

using Gso = TunOffload::Gso;

bool is_tcp(Gso gso) { return gso == Gso::kTcpV4 || gso == Gso::kTcpV6; }

bool family_fits(Gso gso, IpFamily family) {
  if (gso == Gso::kTcpV4) return family == IpFamily::kV4;
  if (gso == Gso::kTcpV6) return family == IpFamily::kV6;
  return gso == Gso::kUdp;
}

// Zero in the field means "no checksum" in UDP; its other form says the same sum.
std::uint16_t never_zero(std::uint16_t checksum) { return checksum == 0 ? 0xffff : checksum; }

// Of the transport header that `upper` found, options included; 0: it is not all there.
std::uint32_t transport_header_len(std::span<const std::uint8_t> packet, const UpperLayer& upper,
                                   Gso gso) {
  const std::size_t left = packet.size() - upper.offset;
  if (!is_tcp(gso)) return left >= udp::kHeaderLen ? udp::kHeaderLen : 0;
  if (left < tcp::kMinHeaderLen) return 0;
  const std::uint32_t len = packet[upper.offset + tcp::kDataOffset] / 16 * 4U;
  return len >= tcp::kMinHeaderLen && len <= left ? len : 0;
}

// The kernel's header_len is a hint, so it may be absent or too large, but not outside the packet
// or inside its headers; the checksum's place must be the transport header's.
bool offload_fits(const TunOffload& offload, std::size_t packet_len, std::uint32_t transport_offset,
                  std::uint32_t header_len) {
  if (offload.header_len != 0 &&
      (offload.header_len < header_len || offload.header_len > packet_len)) {
    return false;
  }
  if (!offload.needs_checksum) return true;
  return offload.csum_start == transport_offset &&
         offload.csum_offset == (is_tcp(offload.gso) ? tcp::kChecksum : udp::kChecksum);
}

}  // namespace

std::optional<Segmenter> Segmenter::begin(std::span<const std::uint8_t> packet,
                                          const TunOffload& offload) {
  const std::optional<IpHeader> header = parse_ip(packet);
  if (!header) return {};
  return offload.gso == Gso::kNone ? begin_lone(packet.first(header->packet_len), *header, offload)
                                   : begin_super(packet, *header, offload);
}

std::optional<Segmenter> Segmenter::begin_lone(std::span<const std::uint8_t> packet,
                                               const IpHeader& header, const TunOffload& offload) {
  if (offload.needs_checksum) {
    const std::size_t end = std::size_t{offload.csum_start} + offload.csum_offset + 2;
    if (offload.csum_start < header.header_len || end > packet.size()) return {};
  }
  Segmenter lone(packet, header, offload);
  lone.num_segments_ = 1;
  lone.last_len_ = static_cast<std::uint32_t>(packet.size());
  return lone;
}

std::optional<Segmenter> Segmenter::begin_super(std::span<const std::uint8_t> packet,
                                                const IpHeader& header, const TunOffload& offload) {
  if (packet.size() != header.packet_len) return {};
  if (!family_fits(offload.gso, header.source.family)) return {};
  const std::optional<UpperLayer> upper = find_upper_layer(packet, header);
  if (!upper || upper->fragmented || upper->source_routed) return {};
  const std::uint8_t protocol = is_tcp(offload.gso) ? kProtocolTcp : kProtocolUdp;
  if (upper->protocol != protocol) return {};
  const std::uint32_t transport_len = transport_header_len(packet, *upper, offload.gso);
  if (transport_len == 0) return {};

  Segmenter cut(packet, header, offload);
  cut.ip_header_len_ = upper->offset;
  cut.header_len_ = upper->offset + transport_len;
  if (!offload_fits(offload, packet.size(), upper->offset, cut.header_len_)) return {};
  const std::uint32_t payload_len = header.packet_len - cut.header_len_;
  if (offload.segment_payload == 0 || payload_len == 0) return {};
  cut.payload_per_segment_ = offload.segment_payload;
  cut.num_segments_ = (payload_len - 1) / offload.segment_payload + 1;
  if (cut.num_segments_ > kMaxSegmentsPerPacket) return {};
  const std::uint32_t before_last = (cut.num_segments_ - 1) * cut.payload_per_segment_;
  cut.last_len_ = cut.header_len_ + payload_len - before_last;
  cut.pseudo_sum_ = pseudo_header_sum(header.source, header.destination, protocol, 0);
  return cut;
}

void Segmenter::write(std::uint32_t i, std::uint8_t* out) const {
  assert(i < num_segments_);
  if (offload_.gso == Gso::kNone) {
    write_lone(out);
    return;
  }
  const std::uint32_t len = segment_len(i);
  const std::uint32_t before = i * payload_per_segment_;
  std::memcpy(out, packet_.data(), header_len_);
  std::memcpy(out + header_len_, packet_.data() + header_len_ + before, len - header_len_);
  rewrite_ip(out, i, len);

  std::uint8_t* const transport = out + ip_header_len_;
  const std::uint32_t transport_len = len - ip_header_len_;
  const bool has_tcp = is_tcp(offload_.gso);
  if (has_tcp) {
    store_be32(transport + tcp::kSequence, load_be32(transport + tcp::kSequence) + before);
    std::uint8_t& flags = transport[tcp::kFlags];
    if (i + 1 < num_segments_) flags &= static_cast<std::uint8_t>(~(tcp::kFin | tcp::kPsh));
    if (i > 0) flags &= static_cast<std::uint8_t>(~tcp::kCwr);
  } else {
    store_be16(transport + udp::kLength, static_cast<std::uint16_t>(transport_len));
  }
  std::uint8_t* const field = transport + (has_tcp ? tcp::kChecksum : udp::kChecksum);
  store_be16(field, 0);
  const std::uint16_t checksum =
      checksum_finish(checksum_add(pseudo_sum_ + transport_len, {transport, transport_len}));
  store_be16(field, has_tcp ? checksum : never_zero(checksum));
}

void Segmenter::write_lone(std::uint8_t* out) const {
  std::memcpy(out, packet_.data(), packet_.size());
  if (!offload_.needs_checksum) return;
  // The field holds the pseudo header's sum already, so it is summed with the rest.
  const std::size_t covered = packet_.size() - offload_.csum_start;
  const std::uint16_t checksum =
      checksum_finish(checksum_add(0, {out + offload_.csum_start, covered}));
  store_be16(out + offload_.csum_start + offload_.csum_offset, never_zero(checksum));
}

void Segmenter::rewrite_ip(std::uint8_t* out, std::uint32_t i, std::uint32_t len) const {
  if (header_.source.family == IpFamily::kV6) {
    store_be16(out + ipv6::kPayloadLength, static_cast<std::uint16_t>(len - kIpv6HeaderLen));
    return;
  }
  std::uint8_t* const id = out + ipv4::kIdentification;
  store_be16(out + ipv4::kTotalLength, static_cast<std::uint16_t>(len));
  store_be16(id, static_cast<std::uint16_t>(load_be16(id) + i));
  store_be16(out + ipv4::kChecksum, 0);
  store_be16(out + ipv4::kChecksum, checksum_finish(checksum_add(0, {out, ip_header_len_})));
}

}  // namespace hawser
