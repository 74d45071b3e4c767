#include "dataplane/sender.h"

#include "base/wire.h"
#include "routing/header_fields.h"

namespace hawser {

void Sender::send(std::span<const TunPacket> packets, const Batch& batch) {
  for (const TunPacket& packet : packets) send_packet(packet, batch);
  gatherer_.flush(batch);
}

void Sender::send_packet(const TunPacket& packet, const Batch& batch) {
  const auto segments = Segmenter::begin({packet.data, packet.len}, packet.offload);
  if (!segments) {
    state_.drops.add(DropReason::kTunMalformed);
    return;
  }
  const std::uint32_t num = segments->num_segments();
  counters_.tun_read_packets.add(num);
  if (!state_.up.load(std::memory_order_relaxed)) {
    state_.drops.add(DropReason::kInterfaceDown, num);
    return;
  }
  Peer* const peer = router_.peer_for(segments->header().destination, batch.now.boot);
  if (peer == nullptr) {
    refuse(*segments, DropReason::kNoRoute, nullptr, IcmpError::kNoRoute, batch);
    return;
  }
  Endpoint to;
  if (!peer->endpoint.get(to)) {
    refuse(*segments, DropReason::kNoEndpoint, peer, IcmpError::kAddressUnreachable, batch);
    return;
  }
  if (is_own_outer_packet(*segments, to)) {
    peer->drops.add(DropReason::kLoop, num);
    return;
  }
  if (segments->segment_len(0) > kMaxInnerPacketLen) {
    refuse(*segments, DropReason::kTooBig, peer, IcmpError::kPacketTooBig, batch);
    return;
  }
  gather(*segments, *peer, batch);
}

void Sender::gather(const Segmenter& segments, Peer& to, const Batch& batch) {
  const std::uint32_t num = segments.num_segments();
  // A super-packet that does not fit behind what is there begins a train of its own.
  if (!gatherer_.has_room(to, num, num * max_datagram_len(segments.segment_len(0)))) {
    gatherer_.flush(batch);
  }
  const std::uint32_t mtu = state_.mtu.load(std::memory_order_relaxed);
  for (std::uint32_t i = 0; i < num; ++i) {
    const SealItem item = SealItem::allocate(batch.out, segments.segment_len(i), mtu,
                                             segments.header().traffic_class);
    if (item.datagram == nullptr) {
      to.drops.add(DropReason::kBatchFull, num - i);
      return;
    }
    segments.write(i, item.packet());
    gatherer_.add(to, item, batch);
  }
}

void Sender::refuse(const Segmenter& segments, DropReason reason, Peer* peer, IcmpError error,
                    const Batch& batch) {
  (peer == nullptr ? state_.drops : peer->drops).add(reason, segments.num_segments());
  router_.send_error(segments.packet(), segments.header(), error, nullptr, batch);
}

// A route that leads our own datagrams back into TUN would wrap them again and again, each time
// larger: for the same peer, or for two of them in turn. Nobody else on this host can send from our
// port. An address of ours that netlink has not told of yet shows by the destination, where that is
// the peer's very endpoint.
bool Sender::is_own_outer_packet(const Segmenter& segments, const Endpoint& to) const {
  const IpHeader& header = segments.header();
  if (header.protocol == kProtocolTcp) return false;
  // What is larger than the MTU comes as fragments, the first of which says enough.
  const std::optional<UpperLayer> upper = find_upper_layer(segments.packet(), header);
  if (!upper || upper->protocol != kProtocolUdp || !upper->has_start ||
      header.packet_len < upper->offset + std::size_t{udp::kHeaderLen}) {
    return false;
  }
  const std::uint8_t* const ports = segments.packet().data() + upper->offset;
  if (load_be16(ports + kSourcePort) != state_.listen_port.load(std::memory_order_relaxed)) {
    return false;
  }
  return router_.is_outer_address(header.source) ||
         (header.destination == to.address && load_be16(ports + kDestinationPort) == to.port);
}

}  // namespace hawser
