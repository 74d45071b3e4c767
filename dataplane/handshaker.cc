#include "dataplane/handshaker.h"

#include <cassert>
#include <vector>

namespace hawser {
namespace {

void bring_forward(std::optional<Instant>& deadline, std::optional<Instant> at) {
  if (at && (!deadline || *at < *deadline)) deadline = at;
}

}  // namespace

Handshaker::Handshaker(DeviceState& state, TimestampStore* store)
    : state_(state),
      reader_(state.domain),
      counters_(state.new_counters()),
      aead_(make_aead(AeadKind::kBoringSsl)),
      sealer_(state, *aead_, *counters_),
      sender_(state, *counters_),
      gate_(state.random),
      handshakes_(state, store, sealer_, sender_),
      watch_(state, sealer_, handshakes_) {}

HandshakeTurn Handshaker::run(const Batch& batch) {
  reader_.online();
  HandshakeTurn turn;
  {
    const DeviceLock lock(state_.mutex);
    take_messages(batch);
    take_attention(batch);
    fire_timers(batch);
    if (state_.up.load()) watch_.run(batch);
    gate_.relax(batch.now.boot);
    (void)sealer_.take_wake();  // what was asked of ourselves shows in `more`
    turn = plan_next(batch.out);
  }
  reclaim(turn, batch.now.boot);
  return turn;
}

void Handshaker::end_turn(const OutBatch& submitted) {
  sealer_.note_outcomes(submitted);
  leave_tables();
  // What became of sends is looked after in the next turn.
  if (sealer_.take_wake()) state_.wake_handshakes();
}

void Handshaker::identity_changed() {
  gate_.set_public_key(state_.identity.public_key());
  handshakes_.identity_changed();
}

// --- the passes of a turn ---

void Handshaker::take_messages(const Batch& batch) {
  QueuedHandshake queued;
  for (std::size_t i = 0; i < kHandshakesPerTurn && has_room_for_peer(batch.out); ++i) {
    const std::size_t queue_len = state_.handshake_queue.size();
    if (!state_.handshake_queue.pop(queued)) break;
    handle(queued, queue_len, batch);
  }
}

void Handshaker::take_attention(const Batch& batch) {
  // Buried before the list is taken: after it, nobody holds them.
  const std::vector<Peer*> dead = state_.take_graveyard();
  state_.attention.take_all([&](Peer& peer, std::uint32_t flags) {
    lock_is_held_here();
    attend(peer, flags, batch);
  });
  state_.free_peers(dead);
}

void Handshaker::fire_timers(const Batch& batch) {
  // Each round moves the first peer's deadline past now, so this ends.
  while (has_room_for_peer(batch.out)) {
    Peer* const peer = state_.timers.first_due(batch.now.boot);
    if (peer == nullptr) return;
    fire(*peer, batch);
    state_.timers.reschedule(*peer);
  }
}

HandshakeTurn Handshaker::plan_next(const OutBatch& out) const {
  const bool is_up = state_.up.load();
  HandshakeTurn turn;
  turn.more = state_.handshake_queue.size() > 0 || !state_.attention.empty() ||
              (watch_.has_more() && is_up) || !has_room_for_peer(out);
  turn.next_deadline = state_.timers.next();
  if (is_up) bring_forward(turn.next_deadline, watch_.next());
  // So that it does not look loaded for as long as nothing else happens.
  bring_forward(turn.next_deadline, gate_.relaxes_at());
  return turn;
}

// While something waits to be freed, come back; nothing else may wake us.
void Handshaker::reclaim(HandshakeTurn& turn, Instant now) {
  const bool is_waiting = state_.domain.reclaim() > 0;
  if (state_.has_dead_peers()) turn.more = true;
  if (is_waiting) bring_forward(turn.next_deadline, now + std::chrono::milliseconds(100));
}

// --- messages ---

void Handshaker::handle(const QueuedHandshake& queued, std::size_t queue_len, const Batch& batch) {
  if (!state_.up.load(std::memory_order_relaxed)) {
    state_.drops.add(DropReason::kInterfaceDown);
    return;
  }
  if (!state_.identity.has_private_key()) {
    state_.drops.add(DropReason::kNoPrivateKey);
    return;
  }
  switch (queued.type) {
    case MessageType::kInitiation:
      if (admit(queued, queue_len, batch)) handshakes_.on_initiation(queued, batch);
      return;
    case MessageType::kResponse:
      if (admit(queued, queue_len, batch)) handshakes_.on_response(queued, batch);
      return;
    case MessageType::kCookieReply:
      handshakes_.on_cookie_reply(queued, batch.now);
      return;
    case MessageType::kTransportData:
      assert(false);  // is not queued
      return;
  }
}

bool Handshaker::admit(const QueuedHandshake& queued, std::size_t queue_len, const Batch& batch) {
  switch (gate_.judge(queued, queue_len, batch.now.boot)) {
    case HandshakeGate::Verdict::kAdmitted:
      return true;
    case HandshakeGate::Verdict::kInvalidMac:
      state_.drops.add(DropReason::kInvalidMac);
      return false;
    case HandshakeGate::Verdict::kCookieOwed: {
      CookieReplyMessage reply;
      gate_.write_reply(reply, queued, batch.now.boot);
      const auto* const bytes = reinterpret_cast<const std::uint8_t*>(&reply);
      if (sender_.reply(queued.from, {bytes, sizeof reply}, batch.out)) ++cookie_replies_;
      break;
    }
    case HandshakeGate::Verdict::kRateLimited:
      break;
  }
  state_.drops.add(DropReason::kRateLimited);
  return false;
}

// --- attention and timers ---

void Handshaker::attend(Peer& peer, std::uint32_t flags, const Batch& batch) {
  if (peer.control.removed) return;
  if (!has_room_for_peer(batch.out)) {
    state_.attention.push(peer, flags);  // with the next turn
    return;
  }
  if ((flags & kSessionConfirmed) != 0) {
    handshakes_.complete(peer, batch.now);
    sealer_.flush_staged(peer, batch);
  }
  if ((flags & kFlushStaged) != 0) sealer_.flush_staged(peer, batch);
  if ((flags & kSendKeepalive) != 0) {
    peer.timers.persistent_keepalive_begun(batch.now.boot);
    keepalive(peer, batch);
  }
  if ((flags & kWantHandshake) != 0 && !peer.timers.handshake_under_way()) {
    handshakes_.initiate(peer, /*is_retry=*/false, batch);
  }
  if ((flags & kTryOtherEndpoint) != 0) handshakes_.try_other_endpoint(peer, batch);
  if ((flags & kGoodbye) != 0) watch_.goodbye_received(peer, batch.now.boot);
  if ((flags & kGsoRefused) != 0) {
    state_.say(LogLevel::kInfo, peer,
               "the path refuses segmentation offload; sending single datagrams");
  }
  state_.timers.reschedule(peer);
}

void Handshaker::fire(Peer& peer, const Batch& batch) {
  const DueTimers due = peer.timers.take_due(batch.now.boot);
  if (due.zero_key_material) {
    state_.say(LogLevel::kDebug, peer, "no new session for 540 seconds, wiping keys");
    handshakes_.clear_peer(peer, DropReason::kStagedExpired);
    return;
  }
  if (due.retransmit_handshake) handshakes_.retransmit(peer, batch);
  if (due.new_handshake) {
    state_.say(LogLevel::kDebug, peer, "nothing heard for 15 seconds, trying a new handshake");
    peer.endpoint.forget_source();
    handshakes_.initiate(peer, /*is_retry=*/false, batch);
  }
  if (due.keepalive) {
    keepalive(peer, batch);
    if (due.another_keepalive) peer.timers.expect_another_keepalive(batch.now.boot);
  }
  if (due.persistent_keepalive) keepalive(peer, batch);
  if (due.initiate) handshakes_.initiate(peer, /*is_retry=*/false, batch);
}

void Handshaker::keepalive(Peer& peer, const Batch& batch) {
  if (!state_.up.load()) return;
  // What is staged serves as well.
  if (!peer.staged.empty()) {
    sealer_.flush_staged(peer, batch);
    return;
  }
  if (!sealer_.send_keepalive(peer, batch) && !peer.timers.handshake_under_way()) {
    handshakes_.initiate(peer, /*is_retry=*/false, batch);
  }
}

}  // namespace hawser
