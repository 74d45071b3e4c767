#pragma once
// The timer rules: section 6 of the paper (CONFORMANCE, "Timers") for one peer.
//
// Workers only write stamps. The handshake thread keeps one deadline for each peer
// (dataplane/timer_queue.h); when it passes, the rules are evaluated, what is due is done, and the
// next deadline is set. A stamp can only bring a deadline forward when it was unset before; whoever
// sets such a stamp looks at the published deadline afterwards and asks for attention if it is
// later than the new one. The handshake thread in turn publishes "no timer" before it reads the
// stamps, so one of the two sees the other.
#include <atomic>
#include <cstdint>
#include <limits>
#include <optional>

#include "base/time.h"
#include "dataplane/stamp.h"

namespace hawser {

// What is due for a peer. Several can be at once.
struct DueTimers {
  bool zero_key_material = false;     // three times REJECT_AFTER_TIME without a new session
  bool retransmit_handshake = false;  // no response within REKEY_TIMEOUT
  bool new_handshake = false;         // data sent, nothing heard for KEEPALIVE + REKEY timeouts
  bool keepalive = false;             // data received, nothing sent for KEEPALIVE_TIMEOUT
  bool another_keepalive = false;     // more data came after what this keepalive answers
  bool persistent_keepalive = false;
  bool initiate = false;  // a handshake that was wanted too early
};

// PeerTimers takes the events of a peer under their usual names, each of which writes all that it
// must, and says what follows from them, and when.
class PeerTimers {
 public:
  // --- events on the way of packets; any thread ---
  // Whoever gets `true` asks the handshake thread to look at this peer's timers.
  [[nodiscard]] bool data_sent(Instant now);
  [[nodiscard]] bool data_received(Instant now);
  // Both are also an "any authenticated packet traversal". Handshake messages count.
  void any_authenticated_packet_sent(Instant now);
  void any_authenticated_packet_received(Instant now);
  void any_authenticated_packet_traversal(Instant now) { last_traversal_.set(now); }

  // --- what others ask; any thread ---
  // When data was sent first of what nothing authenticated was received after.
  std::optional<Instant> unanswered_data_since() const { return unanswered_data_since_.get(); }
  std::optional<Instant> last_data_received() const { return last_data_received_.get(); }
  // No need to ask for another handshake.
  bool handshake_under_way() const { return handshake_under_way_.load(std::memory_order_relaxed); }

  // --- the handshake; this and all below under the device's lock ---
  // One is wanted from now on, whether or not its first message can leave at once.
  void handshake_wanted();
  // Nothing can be sent: there is no endpoint, no key, or the interface is down.
  void handshake_impossible();
  // A peer is sent no more than one handshake message each REKEY_TIMEOUT.
  bool may_initiate(Instant now) const;
  // It was too early for the first initiation: it is due when REKEY_TIMEOUT has passed.
  void postpone_initiation();
  // It was too early to send it again, because we answered the peer meanwhile.
  void postpone_retransmission(Duration longer);
  // The limit spares the one who is asked; where we ask next, nobody was asked yet.
  void allow_initiation_at_once() { last_handshake_sent_.reset(); }
  // An initiation is about to be sent; if it cannot be, it is tried again like one without a
  // response. `jitter`: 0 to 333 ms, kept for the whole attempt.
  void handshake_attempted(bool is_retry, Duration jitter, Instant now);
  void handshake_initiated(Instant now);
  void handshake_answered(Instant now);  // with a response of ours
  void session_derived(Instant now);
  void handshake_complete(WallTime now);
  // No response for REKEY_ATTEMPT_TIME.
  void handshake_given_up(Instant now);
  bool attempts_exhausted() const;
  // Another private key: what was under way is void, and nobody was asked with the new one yet.
  void forget_handshake();
  // Sessions and handshakes are gone; nothing is due any more but a persistent keepalive.
  void forget_all();

  unsigned handshake_attempts() const { return handshake_attempts_; }
  WallTime last_handshake_complete() const { return last_handshake_complete_; }

  // --- what is due ---
  // Starts the interval, also where nothing can be sent yet, for want of an endpoint or a key.
  void persistent_keepalive_begun(Instant now) { last_traversal_.set(now); }
  // What is due, and is not any more. What wipes the keys comes alone.
  DueTimers take_due(Instant now);
  // The keepalive was sent; the next one's time begins.
  void expect_another_keepalive(Instant now) { unreplied_data_since_.set_if_unset(now); }
  // When take_due() will next have something, if nothing else happens.
  std::optional<Instant> next() const;

  // The handshake thread's deadline for this peer as TimerQueue has it (nanoseconds of Instant).
  static constexpr std::int64_t kNoTimer = std::numeric_limits<std::int64_t>::max();
  std::atomic<std::int64_t> published{kNoTimer};

  std::atomic<std::uint16_t> persistent_keepalive{0};  // seconds, 0: off; any thread

 private:
  bool is_news(Instant deadline) const {
    return published.load() > deadline.time_since_epoch().count();
  }
  std::optional<Instant> new_handshake_at() const;
  std::optional<Instant> keepalive_at() const;
  std::optional<Instant> persistent_keepalive_at() const;

  std::atomic<bool> handshake_under_way_{false};
  // Data sent, and nothing authenticated received since.
  Stamp unanswered_data_since_;
  // Data received, and nothing authenticated sent since.
  Stamp unreplied_data_since_;
  Stamp last_data_received_;
  Stamp last_traversal_;

  std::optional<Instant> last_handshake_sent_;  // initiation or response
  std::optional<Instant> retransmit_at_;
  std::optional<Instant> initiate_at_;  // wanted, but REKEY_TIMEOUT had not passed
  std::optional<Instant> zero_keys_at_;
  unsigned handshake_attempts_ = 0;
  Duration jitter_{};
  WallTime last_handshake_complete_;
};

}  // namespace hawser
