#include "dataplane/timers.h"

#include <utility>

#include "noise/constants.h"

namespace hawser {

// --- events on the way of packets ---

bool PeerTimers::data_sent(Instant now) {
  // The jitter is not in it: a deadline that is looked at too early does no harm.
  return unanswered_data_since_.set_if_unset(now) &&
         is_news(now + kKeepaliveTimeout + kRekeyTimeout);
}

bool PeerTimers::data_received(Instant now) {
  last_data_received_.set(now);
  return unreplied_data_since_.set_if_unset(now) && is_news(now + kKeepaliveTimeout);
}

void PeerTimers::any_authenticated_packet_sent(Instant now) {
  unreplied_data_since_.clear();
  any_authenticated_packet_traversal(now);
}

void PeerTimers::any_authenticated_packet_received(Instant now) {
  unanswered_data_since_.clear();
  any_authenticated_packet_traversal(now);
}

// --- the handshake ---

void PeerTimers::handshake_wanted() {
  initiate_at_.reset();
  handshake_under_way_ = true;
}

void PeerTimers::handshake_impossible() {
  initiate_at_.reset();
  handshake_under_way_ = false;
}

bool PeerTimers::may_initiate(Instant now) const {
  return !last_handshake_sent_ || now - *last_handshake_sent_ >= kRekeyTimeout;
}

void PeerTimers::postpone_initiation() {
  if (!retransmit_at_) initiate_at_ = *last_handshake_sent_ + kRekeyTimeout;
}

void PeerTimers::postpone_retransmission(Duration longer) {
  retransmit_at_ = *last_handshake_sent_ + kRekeyTimeout + longer;
}

void PeerTimers::handshake_attempted(bool is_retry, Duration jitter, Instant now) {
  handshake_attempts_ = is_retry ? handshake_attempts_ + 1 : 1;
  jitter_ = jitter;
  retransmit_at_ = now + kRekeyTimeout + jitter;
}

void PeerTimers::handshake_initiated(Instant now) {
  last_handshake_sent_ = now;
  any_authenticated_packet_sent(now);
}

void PeerTimers::handshake_answered(Instant now) { last_handshake_sent_ = now; }

void PeerTimers::session_derived(Instant now) { zero_keys_at_ = now + kZeroKeyMaterialTime; }

void PeerTimers::handshake_complete(WallTime now) {
  retransmit_at_.reset();
  initiate_at_.reset();
  handshake_attempts_ = 0;
  last_handshake_complete_ = now;
  handshake_under_way_ = false;
}

void PeerTimers::handshake_given_up(Instant now) {
  handshake_attempts_ = 0;
  initiate_at_.reset();
  unreplied_data_since_.clear();
  handshake_under_way_ = false;
  if (!zero_keys_at_) zero_keys_at_ = now + kZeroKeyMaterialTime;
}

bool PeerTimers::attempts_exhausted() const { return handshake_attempts_ >= kMaxHandshakeAttempts; }

void PeerTimers::forget_handshake() {
  retransmit_at_.reset();
  last_handshake_sent_.reset();
  handshake_under_way_ = false;
}

void PeerTimers::forget_all() {
  retransmit_at_.reset();
  initiate_at_.reset();
  zero_keys_at_.reset();
  handshake_attempts_ = 0;
  unanswered_data_since_.clear();
  unreplied_data_since_.clear();
  handshake_under_way_ = false;
}

// --- what is due ---

std::optional<Instant> PeerTimers::new_handshake_at() const {
  const auto since = unanswered_data_since_.get();
  if (!since) return std::nullopt;
  return *since + kKeepaliveTimeout + kRekeyTimeout + jitter_;
}

std::optional<Instant> PeerTimers::keepalive_at() const {
  const auto since = unreplied_data_since_.get();
  if (!since) return std::nullopt;
  return *since + kKeepaliveTimeout;
}

std::optional<Instant> PeerTimers::persistent_keepalive_at() const {
  const auto interval = std::chrono::seconds(persistent_keepalive.load());
  const auto last = last_traversal_.get();
  if (interval == std::chrono::seconds(0) || !last) return std::nullopt;
  return *last + interval;
}

DueTimers PeerTimers::take_due(Instant now) {
  const auto is_due = [now](const std::optional<Instant>& at) { return at && *at <= now; };
  const auto take = [&](std::optional<Instant>& at) {
    const bool due = is_due(at);
    if (due) at.reset();
    return due;
  };
  DueTimers due;
  due.zero_key_material = take(zero_keys_at_);
  // Who wipes the keys forgets the rest, but for the persistent keepalive: that comes due next.
  if (due.zero_key_material) return due;
  due.retransmit_handshake = take(retransmit_at_);
  due.initiate = take(initiate_at_);
  due.new_handshake = is_due(new_handshake_at());
  if (due.new_handshake) unanswered_data_since_.clear();
  due.keepalive = is_due(keepalive_at());
  if (due.keepalive) {
    const auto since = unreplied_data_since_.get();
    const auto last = last_data_received_.get();
    due.another_keepalive = since && last && *last > *since;
    unreplied_data_since_.clear();
  }
  due.persistent_keepalive = is_due(persistent_keepalive_at());
  if (due.persistent_keepalive) persistent_keepalive_begun(now);
  return due;
}

std::optional<Instant> PeerTimers::next() const {
  std::optional<Instant> next;
  for (const auto& at : {retransmit_at_, initiate_at_, zero_keys_at_, new_handshake_at(),
                         keepalive_at(), persistent_keepalive_at()}) {
    if (at && (!next || *at < *next)) next = at;
  }
  return next;
}

}  // namespace hawser
