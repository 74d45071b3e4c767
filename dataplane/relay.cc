#include "dataplane/relay.h"

#include <algorithm>

#include "routing/fragmenter.h"

namespace hawser {

void Relay::forward(const OpenedPacket& packet, Peer& to, const Batch& batch) {
  Peer& from = *packet.from;
  if (packet.header.hop_limit <= 1) {
    from.drops.add(DropReason::kHopLimit);
    router_.send_error(packet.packet(), packet.header, IcmpError::kHopLimitExceeded, &from, batch);
    return;
  }
  const bool too_big = packet.header.packet_len > mtu();
  if (too_big && packet.header.dont_fragment) {
    from.drops.add(DropReason::kTooBig);
    router_.send_error(packet.packet(), packet.header, IcmpError::kPacketTooBig, &from, batch);
    return;
  }
  if (!to.endpoint.known()) {
    to.drops.add(DropReason::kNoEndpoint);
    router_.send_error(packet.packet(), packet.header, IcmpError::kAddressUnreachable, &from,
                       batch);
    return;
  }
  decrement_hop_limit(packet.packet());
  counters_.relayed_packets.add(1);
  if (too_big) {
    fragment(packet, to, batch);
  } else {
    gather(packet, to, batch);
  }
}

// What goes on in one datagram, whatever the interface's MTU is.
std::uint32_t Relay::mtu() const {
  return std::min(state_.mtu.load(std::memory_order_relaxed), kMaxInnerPacketLen);
}

void Relay::send_own(const OpenedPacket& packet, Peer& to, const Batch& batch) {
  // Over IPv6 a datagram may be longer than the longest that we send.
  if (packet.header.packet_len > kMaxInnerPacketLen) {
    to.drops.add(DropReason::kTooBig);
    return;
  }
  gather(packet, to, batch);
}

// As much padding as came, within the rule: the datagram never grows, and a train of equal segments
// stays one. The sender's padding bytes are not passed on.
void Relay::gather(const OpenedPacket& packet, Peer& to, const Batch& batch) {
  gatherer_.add(to,
                SealItem::lay_out(packet.datagram, packet.header.packet_len, packet.plain_len,
                                  packet.header.traffic_class),
                batch);
}

void Relay::fragment(const OpenedPacket& packet, Peer& to, const Batch& batch) {
  gatherer_.flush(batch);
  const std::uint32_t mtu = this->mtu();
  const auto fragments = Fragmenter::begin(packet.packet(), packet.header, mtu);
  if (!fragments) {
    to.drops.add(DropReason::kTooBig);
    return;
  }
  for (std::uint32_t i = 0; i < fragments->num_fragments(); ++i) {
    const SealItem item =
        SealItem::allocate(batch.out, fragments->fragment_len(i), mtu, packet.header.traffic_class);
    if (item.datagram == nullptr) {
      to.drops.add(DropReason::kBatchFull);
      return;
    }
    fragments->write(i, item.packet());
    sealer_.dispatch(to, {&item, 1}, batch);
  }
}

}  // namespace hawser
