#pragma once
// How handshake messages leave. Internal to dataplane/.
#include <cstdint>
#include <span>

#include "dataplane/train.h"
#include "dataplane/worker_state.h"

namespace hawser {

// Is there room for one peer's share of a turn: a handshake message, keepalives, an echo? Staged
// packets look for their own room.
bool has_room_for_peer(const OutBatch& out);

// HandshakeSender puts copies of handshake messages into a batch. A message that finds no room is
// counted as dropped, and the answer is false. On the handshake thread.
class HandshakeSender {
 public:
  HandshakeSender(WorkerState& state, PathCounters& counters)
      : state_(state), counters_(counters) {}

  bool send(Peer& peer, const Endpoint& to, std::span<const std::uint8_t> message, OutBatch& out);
  // To whom we do not know. Replies to one sender, one after another, leave as a train: a flood
  // from there then costs one send for many of them.
  bool reply(const Endpoint& to, std::span<const std::uint8_t> message, OutBatch& out);

 private:
  WorkerState& state_;
  PathCounters& counters_;
};

}  // namespace hawser
