#include <algorithm>
#include <cstring>

#include "base/wire.h"
#include "dataplane/packet_path_impl.h"
#include "routing/checksum.h"

namespace hawser {
namespace {

// IPv4's fragment field: flags and offset (RFC 791 §3.1).
constexpr std::size_t kFragmentFieldAt = 6;
constexpr std::uint16_t kMoreFragments = 0x2000;
constexpr std::uint16_t kFragmentOffsetMask = 0x1fff;
constexpr std::size_t kChecksumAt = 10;

}  // namespace

void Relay::forward(const OpenedPacket& packet, Peer& to, const Now& now, OutBatch& out) {
  Peer& from = *packet.from;
  if (packet.header.hop_limit <= 1) {
    from.drops.add(DropReason::kHopLimit);
    router_.send_error(packet.packet(), packet.header, IcmpError::kHopLimitExceeded, &from, now,
                       out);
    return;
  }
  const bool too_big = packet.header.packet_len > mtu();
  if (too_big && packet.header.dont_fragment) {
    from.drops.add(DropReason::kTooBig);
    router_.send_error(packet.packet(), packet.header, IcmpError::kPacketTooBig, &from, now, out);
    return;
  }
  if (!to.endpoint.known()) {
    to.drops.add(DropReason::kNoEndpoint);
    router_.send_error(packet.packet(), packet.header, IcmpError::kAddressUnreachable, &from, now,
                       out);
    return;
  }
  decrement_hop_limit(packet.packet());
  counters_.relayed_packets.add(1);
  if (too_big) {
    fragment(packet, to, now, out);
  } else {
    gather(packet, to, now, out);
  }
}

// What goes on in one datagram, whatever the interface's MTU is.
std::uint32_t Relay::mtu() const {
  return std::min(state_.mtu.load(std::memory_order_relaxed), kMaxInnerPacketLen);
}

void Relay::send_own(const OpenedPacket& packet, Peer& to, const Now& now, OutBatch& out) {
  // Over IPv6 a datagram may be longer than the longest that we send.
  if (packet.header.packet_len > kMaxInnerPacketLen) {
    to.drops.add(DropReason::kTooBig);
    return;
  }
  gather(packet, to, now, out);
}

void Relay::gather(const OpenedPacket& packet, Peer& to, const Now& now, OutBatch& out) {
  if (num_ == items_.size()) flush(now, out);
  mixed_ = num_ > 0 && (mixed_ || peers_[0] != &to);
  peers_[num_] = &to;
  const std::uint32_t packet_len = packet.header.packet_len;
  constexpr std::uint32_t kMask = kPaddingMultiple - 1;
  SealItem& item = items_[num_++];
  item.datagram = packet.datagram;
  item.packet_len = packet_len;
  // As much padding as came, within the rule: the datagram never grows, and a train of equal
  // segments stays one.
  item.plain_len = std::min({packet.plain_len, (packet_len + kMask) & ~kMask, kMaxInnerPacketLen});
  item.outer_traffic_class = outer_traffic_class(packet.header.traffic_class);
  // The sender's padding bytes are not passed on.
  std::memset(item.packet() + packet_len, 0, item.plain_len - packet_len);
}

void Relay::flush(const Now& now, OutBatch& out) {
  if (num_ == 0) return;
  if (mixed_) {
    flush_mixed(now, out);
  } else {
    sealer_.dispatch(*peers_[0], std::span(items_).first(num_), now, out);
  }
  num_ = 0;
}

// Peer by peer, in the order of their first packets. At most as many turns as a run has packets.
void Relay::flush_mixed(const Now& now, OutBatch& out) {
  std::array<SealItem, kMaxTrainSegments> train;
  for (std::size_t first = 0; first < num_; ++first) {
    Peer* const to = peers_[first];
    if (to == nullptr) continue;
    std::size_t num = 0;
    for (std::size_t i = first; i < num_; ++i) {
      if (peers_[i] != to) continue;
      train[num++] = items_[i];
      peers_[i] = nullptr;
    }
    sealer_.dispatch(*to, std::span(train).first(num), now, out);
  }
}

// An IPv4 packet that may be fragmented and is too big (RFC 791 §3.2). Options are not copied
// selectively: a packet with options is rare, and each of its fragments carries all of them.
void Relay::fragment(const OpenedPacket& packet, Peer& to, const Now& now, OutBatch& out) {
  flush(now, out);
  const std::uint32_t mtu = this->mtu();
  const std::span<const std::uint8_t> whole = packet.packet();
  const std::uint32_t header_len = packet.header.header_len;
  if (mtu < header_len + 8) {
    to.drops.add(DropReason::kTooBig);
    return;
  }
  const std::uint32_t room = (mtu - header_len) & ~std::uint32_t{7};
  const std::uint16_t old_field = load_be16(whole.data() + kFragmentFieldAt);
  for (std::uint32_t at = header_len; at < whole.size(); at += room) {
    const auto payload =
        std::min<std::uint32_t>(room, static_cast<std::uint32_t>(whole.size()) - at);
    SealItem item;
    item.packet_len = header_len + payload;
    item.plain_len = padded_len(item.packet_len, mtu);
    item.outer_traffic_class = outer_traffic_class(packet.header.traffic_class);
    item.datagram = out.allocate(item.datagram_len());
    if (item.datagram == nullptr) {
      to.drops.add(DropReason::kBatchFull);
      return;
    }
    std::uint8_t* const copy = item.packet();
    std::memcpy(copy, whole.data(), header_len);
    std::memcpy(copy + header_len, whole.data() + at, payload);
    std::memset(copy + item.packet_len, 0, item.plain_len - item.packet_len);
    const bool last = at + payload == whole.size();
    const auto offset =
        static_cast<std::uint16_t>((old_field & kFragmentOffsetMask) + (at - header_len) / 8);
    const auto more =
        static_cast<std::uint16_t>(last ? old_field & kMoreFragments : kMoreFragments);
    store_be16(copy + 2, static_cast<std::uint16_t>(item.packet_len));
    store_be16(copy + kFragmentFieldAt, static_cast<std::uint16_t>(offset | more));
    store_be16(copy + kChecksumAt, 0);
    store_be16(copy + kChecksumAt, checksum_finish(checksum_add(0, {copy, header_len})));
    sealer_.dispatch(to, {&item, 1}, now, out);
  }
}

}  // namespace hawser
