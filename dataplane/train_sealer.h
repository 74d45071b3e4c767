#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <utility>

#include "base/time.h"
#include "dataplane/seal_item.h"
#include "dataplane/train.h"
#include "dataplane/worker_state.h"
#include "noise/aead.h"

namespace hawser {

// TrainSealer sends inner packets to a peer: sealed at once when there is a session and nothing is
// staged before them, staged otherwise. One for each packet path and one for the handshake thread;
// used inside a reader section. Allocates nothing.
class TrainSealer {
 public:
  TrainSealer(WorkerState& state, Aead& aead, PathCounters& counters)
      : state_(state), aead_(aead), counters_(counters) {}

  // Packets for one peer, in order. All memory belongs to `out` or to the batch that came in.
  void dispatch(Peer& peer, std::span<const SealItem> items, const Batch& batch);

  // Seals staged packets as far as session and `out` allow.
  void flush_staged(Peer& peer, const Batch& batch);

  // An empty packet, when there is a session; false otherwise.
  bool send_keepalive(Peer& peer, const Batch& batch);

  // Counts what was not sent or written, and lets peers take note. Inside the reader section of the
  // batch.
  void note_outcomes(const OutBatch& submitted);

  // Something was put on the attention list or the handshake queue: wake its reader at the end of
  // the batch.
  void ask_attention(Peer& peer, std::uint32_t flags) {
    if (state_.attention.push(peer, flags)) wake_needed_ = true;
  }
  void request_wake() { wake_needed_ = true; }
  bool take_wake() { return std::exchange(wake_needed_, false); }

  // A handshake is needed and none is under way.
  void want_handshake(Peer& peer) {
    if (!peer.timers.handshake_under_way()) ask_attention(peer, kWantHandshake);
  }

 private:
  void seal_and_send(Peer& peer, const Keypair& keypair, std::uint64_t first_counter,
                     std::span<const SealItem> items, const Batch& batch);
  void add_trains(Peer& peer, const Endpoint& to, std::span<const SealItem> items, OutBatch& out);
  void stage(Peer& peer, std::span<const SealItem> items);
  void after_sending(Peer& peer, const Keypair& keypair, std::span<const SealItem> items,
                     Instant now);
  void note(const UdpSend& send, const UdpOutcome& outcome);
  std::uint32_t take_staged(Peer& peer, const Batch& batch,
                            std::array<SealItem, kMaxTrainSegments>& items,
                            std::uint64_t& first_counter, Keypair*& keypair);

  WorkerState& state_;
  Aead& aead_;
  PathCounters& counters_;
  bool wake_needed_ = false;
  std::array<AeadJob, kMaxTrainSegments> jobs_;
};

}  // namespace hawser
