#include "dataplane/handshake_sender.h"

#include <cstring>

namespace hawser {
namespace {

constexpr std::size_t kSendsForPeer = 8;
constexpr std::size_t kArenaForPeer = 4096;

// The copy is the batch's; null: there is no room.
std::uint8_t* copy_to(OutBatch& out, std::span<const std::uint8_t> message) {
  std::uint8_t* const copy = out.has_room(1) ? out.allocate(message.size()) : nullptr;
  if (copy != nullptr) std::memcpy(copy, message.data(), message.size());
  return copy;
}

bool joins_train(const OutBatch& out, const Endpoint& to, std::size_t len) {
  if (out.udp().empty()) return false;
  const UdpSend& last = out.udp().back();
  return last.peer == nullptr && last.to == to && last.segment_len == len &&
         last.num_slices < kMaxTrainSegments &&
         last.first_slice + last.num_slices == out.num_slices();
}

void add_message(OutBatch& out, Peer* peer, const Endpoint& to, std::uint8_t* copy,
                 std::uint32_t len) {
  const UdpSend send{.to = to,
                     .first_slice = out.num_slices(),
                     .num_slices = 1,
                     .len = len,
                     .segment_len = len,
                     .traffic_class = kHandshakeDscp,
                     .peer = peer};
  out.add_slice(copy, len);
  out.add_udp(send);
}

}  // namespace

bool has_room_for_peer(const OutBatch& out) {
  return out.has_room(kSendsForPeer) && out.arena_left() >= kArenaForPeer;
}

bool HandshakeSender::send(Peer& peer, const Endpoint& to, std::span<const std::uint8_t> message,
                           OutBatch& out) {
  std::uint8_t* const copy = copy_to(out, message);
  if (copy == nullptr) {
    peer.drops.add(DropReason::kBatchFull);
    return false;
  }
  counters_.sent_datagrams.add(1);
  peer.tx_bytes.fetch_add(message.size(), std::memory_order_relaxed);
  add_message(out, &peer, to, copy, static_cast<std::uint32_t>(message.size()));
  return true;
}

bool HandshakeSender::reply(const Endpoint& to, std::span<const std::uint8_t> message,
                            OutBatch& out) {
  std::uint8_t* const copy = copy_to(out, message);
  if (copy == nullptr) {
    state_.drops.add(DropReason::kBatchFull);
    return false;
  }
  counters_.sent_datagrams.add(1);
  const auto len = static_cast<std::uint32_t>(message.size());
  if (joins_train(out, to, len)) {
    out.add_slice(copy, len);
    out.join_last_udp();
  } else {
    add_message(out, nullptr, to, copy, len);
  }
  return true;
}

}  // namespace hawser
