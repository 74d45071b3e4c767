#include <algorithm>
#include <cstring>

#include "base/wire.h"
#include "dataplane/packet_path_impl.h"
#include "dataplane/segmentation.h"

namespace hawser {
void Sender::send(std::span<const TunPacket> packets, const Now& now, OutBatch& out) {
  for (const TunPacket& packet : packets) send_packet(packet, now, out);
  flush(now, out);
}

void Sender::send_packet(const TunPacket& packet, const Now& now, OutBatch& out) {
  const std::span<const std::uint8_t> bytes(packet.data, packet.len);
  const auto segments = Segmenter::begin(bytes, packet.offload);
  const auto header = segments ? parse_ip(bytes) : std::nullopt;
  if (!header) {
    state_.drops.add(DropReason::kTunMalformed);
    return;
  }
  const std::uint32_t num = segments->num_segments();
  counters_.tun_read_packets.add(num);
  if (!state_.up.load(std::memory_order_relaxed)) {
    state_.drops.add(DropReason::kInterfaceDown, num);
    return;
  }
  Peer* const peer = router_.peer_for(header->destination, now.boot);
  if (peer == nullptr) {
    refuse(packet, *header, num, DropReason::kNoRoute, nullptr, IcmpError::kNoRoute, now, out);
    return;
  }
  Endpoint to;
  if (!peer->endpoint.get(to)) {
    refuse(packet, *header, num, DropReason::kNoEndpoint, peer, IcmpError::kAddressUnreachable, now,
           out);
    return;
  }
  if (is_own_outer_packet(bytes, *header, to)) {
    peer->drops.add(DropReason::kLoop, num);
    return;
  }
  if (segments->segment_len(0) > kMaxInnerPacketLen) {
    refuse(packet, *header, num, DropReason::kTooBig, peer, IcmpError::kPacketTooBig, now, out);
    return;
  }
  gather(*segments, *header, *peer, now, out);
}

void Sender::gather(const Segmenter& segments, const IpHeader& header, Peer& to, const Now& now,
                    OutBatch& out) {
  const std::uint32_t num = segments.num_segments();
  // A super-packet that does not fit behind what is there begins a train of its own.
  const std::size_t most_len =
      num * (segments.segment_len(0) + kTransportOverhead + kPaddingMultiple);
  if (&to != to_ || num_ + num > items_.size() || len_ + most_len > kMaxUdpPayload) flush(now, out);
  to_ = &to;
  const std::uint32_t mtu = state_.mtu.load(std::memory_order_relaxed);
  for (std::uint32_t i = 0; i < num; ++i) {
    if (num_ == items_.size()) {
      flush(now, out);
      to_ = &to;
    }
    SealItem& item = items_[num_];
    item.packet_len = segments.segment_len(i);
    item.plain_len = padded_len(item.packet_len, mtu);
    item.outer_traffic_class = outer_traffic_class(header.traffic_class);
    item.datagram = out.allocate(item.datagram_len());
    if (item.datagram == nullptr) {
      to.drops.add(DropReason::kBatchFull, num - i);
      return;
    }
    segments.write(i, item.packet());
    std::memset(item.packet() + item.packet_len, 0, item.plain_len - item.packet_len);
    len_ += item.datagram_len();
    ++num_;
  }
}

void Sender::flush(const Now& now, OutBatch& out) {
  if (num_ > 0) sealer_.dispatch(*to_, std::span(items_).first(num_), now, out);
  to_ = nullptr;
  num_ = 0;
  len_ = 0;
}

void Sender::refuse(const TunPacket& packet, const IpHeader& header, std::uint32_t num_segments,
                    DropReason reason, Peer* peer, IcmpError error, const Now& now, OutBatch& out) {
  (peer == nullptr ? state_.drops : peer->drops).add(reason, num_segments);
  router_.send_error({packet.data, packet.len}, header, error, nullptr, now, out);
}

// A route that leads our own datagrams back into TUN would wrap them again and again, each time
// larger: for the same peer, or for two of them in turn. Nobody else on this host can send from our
// port. An address of ours that netlink has not told of yet shows by the destination, where that is
// the peer's very endpoint.
bool Sender::is_own_outer_packet(std::span<const std::uint8_t> packet, const IpHeader& header,
                                 const Endpoint& to) const {
  if (header.protocol == kProtocolTcp) return false;
  // What is larger than the MTU comes as fragments, the first of which says enough.
  const std::optional<UpperLayer> upper = find_upper_layer(packet, header);
  if (!upper || upper->protocol != kProtocolUdp || !upper->has_start ||
      header.packet_len < upper->offset + std::size_t{8}) {
    return false;
  }
  const std::uint8_t* const udp = packet.data() + upper->offset;
  if (load_be16(udp) != state_.listen_port.load(std::memory_order_relaxed)) return false;
  return router_.is_outer_address(header.source) ||
         (header.destination == to.address && load_be16(udp + 2) == to.port);
}

}  // namespace hawser
