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
// timers ran out, who is watched. Everything but the observer runs under the device's lock.
class Handshaker : public SendObserver {
 public:
  Handshaker(DeviceState& state, TimestampStore* store);

  HandshakeTurn run(const Now& now, OutBatch& out);
  void end_turn();

  Handshakes& handshakes() { return handshakes_; }
  ControllerWatch& watch() { return watch_; }
  void identity_changed();  // also from control threads

  // Any thread.
  bool under_load() const { return gate_.under_load(); }
  std::uint64_t completed() const { return handshakes_.completed(); }
  std::uint64_t cookie_replies() const { return cookie_replies_.load(std::memory_order_relaxed); }

  // SendObserver, on the handshake thread between run() and end_turn(), without the lock.
  void udp_outcome(const UdpSend& send, const UdpOutcome& outcome) override;
  void tun_write_failed(const TunWrite&, int) override {}

 private:
  // The passes of a turn, in their order.
  void take_messages(const Now& now, OutBatch& out);
  void take_attention(const Now& now, OutBatch& out);
  void fire_timers(const Now& now, OutBatch& out);
  HandshakeTurn plan_next(const OutBatch& out) const;
  void reclaim(HandshakeTurn& turn, Instant now);

  void handle(const QueuedHandshake& queued, std::size_t queue_len, const Now& now, OutBatch& out);
  bool admit(const QueuedHandshake& queued, std::size_t queue_len, const Now& now, OutBatch& out);
  void attend(Peer& peer, std::uint32_t flags, const Now& now, OutBatch& out);
  void fire(Peer& peer, const Now& now, OutBatch& out);
  void keepalive(Peer& peer, const Now& now, OutBatch& out);

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
