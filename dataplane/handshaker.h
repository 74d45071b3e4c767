#pragma once
#include <memory>
#include <optional>
#include <span>

#include "base/quiescent.h"
#include "dataplane/device_state.h"
#include "dataplane/liveness.h"
#include "dataplane/train_sealer.h"
#include "noise/aead.h"
#include "noise/cookie.h"
#include "noise/rate_limiter.h"
#include "noise/timestamp_guard.h"

namespace hawser {

// Handshaker consumes and makes handshake messages and fires timers. Everything but the observer
// runs under the device's lock, on the handshake thread (or a control thread where said).
class Handshaker : public SendObserver {
 public:
  Handshaker(DeviceState& state, TimestampStore* store);

  HandshakeTurn run(const Now& now, OutBatch& out);
  void end_turn() {
    reader_.offline();
    // What the observer was told of sends is looked after in the next turn.
    if (sealer_.take_wake()) state_.wake_handshakes();
  }

  // --- also from control threads ---
  void identity_changed();
  // Sessions, handshake and timers of a peer are gone at once; the peer stays.
  void clear_peer(Peer& peer, DropReason staged_reason);
  // The peer's static keys are these from now on. A session that another key made is gone at once.
  void set_keys(Peer& peer, const PublicKey& present, const std::optional<PublicKey>& next);
  // The overlay or the peers changed.
  void watch_controllers(const Now& now);
  // With the next turns, every peer that has a session is told that we stop.
  void ask_for_goodbye() { goodbye_at_ = 0; }

  bool under_load() const { return under_load_.load(std::memory_order_relaxed); }
  std::uint64_t completed() const { return completed_.load(std::memory_order_relaxed); }
  std::uint64_t cookie_replies() const { return cookie_replies_.load(std::memory_order_relaxed); }

  // SendObserver, on the handshake thread between run() and end_turn(), without the lock.
  void udp_outcome(const UdpSend& send, const UdpOutcome& outcome) override;
  void tun_write_failed(const TunWrite&, int) override {}

 private:
  void handle(const QueuedHandshake& queued, std::size_t queue_len, const Now& now, OutBatch& out);
  bool admit(const QueuedHandshake& queued, std::size_t queue_len, const Now& now, OutBatch& out);
  void on_initiation(const QueuedHandshake& queued, const Now& now, OutBatch& out);
  void on_response(const QueuedHandshake& queued, const Now& now, OutBatch& out);
  void on_cookie_reply(const QueuedHandshake& queued, const Now& now);
  void use_other_key(Peer& peer);
  void send_response(Peer& peer, const Now& now, OutBatch& out);

  void initiate(Peer& peer, bool is_retry, const Now& now, OutBatch& out);
  void attend(Peer& peer, std::uint32_t flags, const Now& now, OutBatch& out);
  void fire_timers(const Now& now, OutBatch& out);
  void fire(Peer& peer, const Now& now, OutBatch& out);
  void retransmit(Peer& peer, const Now& now, OutBatch& out);
  void give_up(Peer& peer, const Now& now);
  void keepalive(Peer& peer, const Now& now, OutBatch& out);

  static bool has_room_for_peer(const OutBatch& out);
  void watch(const Now& now, OutBatch& out);
  void send_echo(Peer& peer, const OverlayWatch& echo, std::uint16_t sequence, const Now& now,
                 OutBatch& out);
  void send_goodbyes(const Now& now, OutBatch& out);

  Keypair* make_keypair(Peer& peer, const Now& now);
  void handshake_complete(Peer& peer, const Now& now);
  void authenticated_received(Peer& peer, std::size_t len, const Now& now);
  void forget_pending_index(Peer& peer);
  void drop_staged(Peer& peer, DropReason reason);
  std::uint32_t new_index();
  Duration new_jitter();
  bool send_message(Peer* peer, const Endpoint& to, std::span<const std::uint8_t> message,
                    OutBatch& out);
  // ": server2 carries fd…::/56 now", of the routes that `controller` lost just now, or has again;
  // empty: there are none.
  std::string handover_text(const Peer& watched, Instant now) const;
  void say(LogLevel level, const Peer& peer, std::string_view text) const;

  DeviceState& state_;
  TimestampStore* store_;
  QuiescentDomain::Reader reader_;
  std::shared_ptr<PathCounters> counters_;
  std::unique_ptr<Aead> aead_;
  TrainSealer sealer_;
  CookieChecker cookie_checker_;
  RateLimiter rate_limiter_;
  std::optional<TimestampGuard> timestamps_;
  bool clock_refused_ = false;
  Liveness liveness_;
  std::uint16_t echo_identifier_;
  std::optional<std::size_t> goodbye_at_;  // the next to be told
  std::optional<Instant> last_overload_;
  std::atomic<bool> under_load_{false};
  std::atomic<std::uint64_t> completed_{0};
  std::atomic<std::uint64_t> cookie_replies_{0};
};

}  // namespace hawser
