#pragma once
// The handshakes of all peers. Internal to dataplane/.
#include <atomic>
#include <cstdint>
#include <optional>

#include "dataplane/device_state.h"
#include "dataplane/handshake_sender.h"
#include "dataplane/train_sealer.h"
#include "noise/timestamp_guard.h"

namespace hawser {

// Handshakes consumes and makes handshake messages (paper §5.4), and makes sessions of them. It
// does not judge who may ask (HandshakeGate) nor when to try again (PeerTimers). Under the device's
// lock, on the handshake thread but where said.
class Handshakes {
 public:
  // All of them outlive this.
  Handshakes(DeviceState& state, TimestampStore* store, TrainSealer& sealer,
             HandshakeSender& sender);

  // Messages that the gate admitted, of the length that their type has.
  void on_initiation(const QueuedHandshake& queued, const Batch& batch) HAWSER_UNDER_LOCK;
  void on_response(const QueuedHandshake& queued, const Batch& batch) HAWSER_UNDER_LOCK;
  void on_cookie_reply(const QueuedHandshake& queued, const Now& now) HAWSER_UNDER_LOCK;

  // Sends an initiation, now or as soon as REKEY_TIMEOUT lets it.
  void initiate(Peer& peer, bool is_retry, const Batch& batch) HAWSER_UNDER_LOCK;
  // No response came within REKEY_TIMEOUT.
  void retransmit(Peer& peer, const Batch& batch) HAWSER_UNDER_LOCK;
  // The handshake that is under way begins anew, at once, at the endpoint that the peer has now.
  void try_other_endpoint(Peer& peer, const Batch& batch) HAWSER_UNDER_LOCK;
  // Both sides have the session.
  void complete(Peer& peer, const Now& now) HAWSER_UNDER_LOCK;

  // --- also from control threads ---
  void identity_changed() HAWSER_UNDER_LOCK;
  // Sessions, handshake and timers of a peer are gone at once; the peer stays.
  void clear_peer(Peer& peer, DropReason staged_reason) HAWSER_UNDER_LOCK;
  // The peer's static keys are these from now on. A session that another key made is gone at once.
  void set_keys(Peer& peer, const PublicKey& present,
                const std::optional<PublicKey>& next) HAWSER_UNDER_LOCK;

  std::uint64_t completed() const { return completed_.load(std::memory_order_relaxed); }

 private:
  void send_response(Peer& peer, const Batch& batch) HAWSER_UNDER_LOCK;
  void give_up(Peer& peer, const Now& now) HAWSER_UNDER_LOCK;
  void use_other_key(Peer& peer) HAWSER_UNDER_LOCK;
  Keypair* make_keypair(Peer& peer, const Now& now) HAWSER_UNDER_LOCK;
  void authenticated_received(Peer& peer, std::size_t len, const Now& now) HAWSER_UNDER_LOCK;
  void drop_staged(Peer& peer, DropReason reason) HAWSER_UNDER_LOCK;
  void forget_pending_index(Peer& peer) HAWSER_UNDER_LOCK;
  std::uint32_t new_index() HAWSER_UNDER_LOCK;
  Duration new_jitter() HAWSER_UNDER_LOCK;

  DeviceState& state_;
  TimestampStore* store_;
  TrainSealer& sealer_;
  HandshakeSender& sender_;
  std::optional<TimestampGuard> timestamps_;
  bool clock_refused_ = false;
  std::atomic<std::uint64_t> completed_{0};
};

}  // namespace hawser
