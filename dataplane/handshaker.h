#pragma once
#include <atomic>
#include <cstdint>
#include <memory>

#include "base/quiescent.h"
#include "dataplane/controller_watch.h"
#include "dataplane/device_state.h"
#include "dataplane/handshake_gate.h"
#include "dataplane/handshake_sender.h"
#include "dataplane/handshakes.h"
#include "dataplane/train_sealer.h"
#include "noise/aead.h"

namespace hawser {

// Handshaker is the handshake thread's turn: what was received, who asked for attention, whose
// timers ran out, who is watched. It takes the device's lock itself; what control threads call is
// called under it.
class Handshaker {
 public:
  Handshaker(DeviceState& state, TimestampStore* store);

  HandshakeTurn run(const Batch& batch);
  // What the turn wants sent was submitted.
  void end_turn(const OutBatch& submitted);
  // Nothing of the tables is held from here on, until the next turn.
  void leave_tables() { reader_.offline(); }

  Handshakes& handshakes() HAWSER_UNDER_LOCK { return handshakes_; }
  ControllerWatch& watch() HAWSER_UNDER_LOCK { return watch_; }
  void identity_changed() HAWSER_UNDER_LOCK;  // also from control threads

  // Any thread.
  bool under_load() const { return gate_.under_load(); }
  std::uint64_t completed() const { return handshakes_.completed(); }
  std::uint64_t cookie_replies() const { return cookie_replies_.load(std::memory_order_relaxed); }

 private:
  // The passes of a turn, in their order.
  void take_messages(const Batch& batch) HAWSER_UNDER_LOCK;
  void take_attention(const Batch& batch) HAWSER_UNDER_LOCK;
  void fire_timers(const Batch& batch) HAWSER_UNDER_LOCK;
  HandshakeTurn plan_next(const OutBatch& out) const HAWSER_UNDER_LOCK;
  void reclaim(HandshakeTurn& turn, Instant now);

  void handle(const QueuedHandshake& queued, std::size_t queue_len,
              const Batch& batch) HAWSER_UNDER_LOCK;
  bool admit(const QueuedHandshake& queued, std::size_t queue_len,
             const Batch& batch) HAWSER_UNDER_LOCK;
  void attend(Peer& peer, std::uint32_t flags, const Batch& batch) HAWSER_UNDER_LOCK;
  void fire(Peer& peer, const Batch& batch) HAWSER_UNDER_LOCK;
  void keepalive(Peer& peer, const Batch& batch) HAWSER_UNDER_LOCK;

  DeviceState& state_;
  QuiescentDomain::Reader reader_;
  std::shared_ptr<PathCounters> counters_;
  std::unique_ptr<Aead> aead_;
  TrainSealer sealer_;
  HandshakeSender sender_;
  HandshakeGate gate_;
  Handshakes handshakes_;
  ControllerWatch watch_;
  std::atomic<std::uint64_t> cookie_replies_{0};
};

}  // namespace hawser
