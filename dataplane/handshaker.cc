#include "dataplane/handshaker.h"

#include <array>
#include <cassert>
#include <cstring>

#include "base/wire.h"

namespace hawser {
namespace {

CookieSource cookie_source(const Endpoint& from) {
  CookieSource source;
  const auto address = from.address.raw();
  std::memcpy(source.bytes.data(), address.data(), address.size());
  store_be16(source.bytes.data() + address.size(), from.port);
  source.len = static_cast<std::uint8_t>(address.size() + 2);
  return source;
}

// Lays a message type over bytes whose length classify_message() has checked.
template <class Message>
Message message_from(const QueuedHandshake& queued) {
  Message message;
  assert(queued.len == sizeof message);
  std::memcpy(&message, queued.bytes.data(), sizeof message);
  return message;
}

template <class Message>
std::span<std::uint8_t> bytes_of(Message& message) {
  return {reinterpret_cast<std::uint8_t*>(&message), sizeof message};
}

std::uint64_t random_u64(RandomSource& random) {
  return (std::uint64_t{random.u32()} << 32) | random.u32();
}

// One peer's share of a turn: a handshake message, keepalives, an echo. Staged packets look for
// their own room.
constexpr std::size_t kSendsForPeer = 8;
constexpr std::size_t kArenaForPeer = 4096;

// Cookie replies to one source, one after another, leave as a train: a flood from there then costs
// one send for many of them. They are of one length.
bool joins_train(const OutBatch& out, const Endpoint& to, std::size_t len) {
  if (out.udp().empty()) return false;
  const UdpSend& last = out.udp().back();
  return last.peer == nullptr && last.to == to && last.segment_len == len &&
         last.num_slices < kMaxTrainSegments &&
         last.first_slice + last.num_slices == out.num_slices();
}

void bring_forward(std::optional<Instant>& deadline, Instant at) {
  if (!deadline || at < *deadline) deadline = at;
}

}  // namespace

Handshaker::Handshaker(DeviceState& state, TimestampStore* store)
    : state_(state),
      store_(store),
      reader_(state.domain),
      counters_(state.new_counters()),
      aead_(make_aead(AeadKind::kBoringSsl)),
      sealer_(state, *aead_, *counters_),
      rate_limiter_(random_u64(state.random)),
      echo_identifier_(static_cast<std::uint16_t>(state.random.u32())) {}

HandshakeTurn Handshaker::run(const Now& now, OutBatch& out) {
  reader_.online();
  HandshakeTurn turn;
  {
    const std::lock_guard lock(state_.mutex);
    QueuedHandshake queued;
    for (std::size_t i = 0; i < kHandshakesPerTurn && has_room_for_peer(out); ++i) {
      const std::size_t queue_len = state_.handshake_queue.size();
      if (!state_.handshake_queue.pop(queued)) break;
      handle(queued, queue_len, now, out);
    }
    const std::vector<Peer*> dead = state_.take_graveyard();
    state_.attention.take_all(
        [&](Peer& peer, std::uint32_t flags) { attend(peer, flags, now, out); });
    state_.free_peers(dead);
    fire_timers(now, out);
    if (state_.up.load()) watch(now, out);
    (void)sealer_.take_wake();  // what was asked of ourselves shows in `more`
    if (last_overload_ && now.boot - *last_overload_ >= kUnderLoadHold) under_load_ = false;
    turn.more = state_.handshake_queue.size() > 0 || !state_.attention.empty() ||
                (goodbye_at_ && state_.up.load()) || !has_room_for_peer(out);
    turn.next_deadline = state_.timers.next();
    if (const auto next = liveness_.next(); next && state_.up.load()) {
      bring_forward(turn.next_deadline, *next);
    }
    // So that it does not look loaded for as long as nothing else happens.
    if (under_load_) bring_forward(turn.next_deadline, *last_overload_ + kUnderLoadHold);
  }
  // While something waits to be freed, come back; nothing else may wake us.
  const bool waiting = state_.domain.reclaim() > 0;
  if (state_.has_dead_peers()) turn.more = true;
  if (waiting) bring_forward(turn.next_deadline, now.boot + std::chrono::milliseconds(100));
  return turn;
}

bool Handshaker::has_room_for_peer(const OutBatch& out) {
  return out.has_room(kSendsForPeer) && out.arena_left() >= kArenaForPeer;
}

void Handshaker::identity_changed() {
  cookie_checker_.set_public_key(state_.identity.public_key());
  timestamps_.reset();
  if (state_.identity.has_private_key()) timestamps_.emplace(state_.identity.public_key(), store_);
  for (const auto& [order, peer] : state_.peers_in_order) {
    forget_pending_index(*peer);
    peer->control.handshake.identity_changed();
    if (peer->control.other_key) peer->control.other_key->handshake.identity_changed();
    peer->sessions.stop_sending();
    peer->timers.forget_handshake();
    // What waited for the old key's handshake waits for the new one's.
    if (!peer->staged.empty()) state_.attention.push(*peer, kWantHandshake);
    state_.timers.reschedule(*peer);
  }
}

// --- messages ---

void Handshaker::handle(const QueuedHandshake& queued, std::size_t queue_len, const Now& now,
                        OutBatch& out) {
  if (!state_.up.load(std::memory_order_relaxed)) {
    state_.drops.add(DropReason::kInterfaceDown);
    return;
  }
  if (!state_.identity.has_private_key()) {
    state_.drops.add(DropReason::kNoPrivateKey);
    return;
  }
  switch (classify_message(queued.message()).value_or(MessageType::kTransportData)) {
    case MessageType::kInitiation:
      if (admit(queued, queue_len, now, out)) on_initiation(queued, now, out);
      return;
    case MessageType::kResponse:
      if (admit(queued, queue_len, now, out)) on_response(queued, now, out);
      return;
    case MessageType::kCookieReply:
      on_cookie_reply(queued, now);
      return;
    case MessageType::kTransportData:
      state_.drops.add(DropReason::kMalformed);
      return;
  }
}

bool Handshaker::admit(const QueuedHandshake& queued, std::size_t queue_len, const Now& now,
                       OutBatch& out) {
  if (queue_len >= kUnderLoadQueueLen) last_overload_ = now.boot;
  const bool loaded = last_overload_ && now.boot - *last_overload_ < kUnderLoadHold;
  under_load_.store(loaded, std::memory_order_relaxed);

  const CookieSource source = cookie_source(queued.from);
  const MacVerdict verdict =
      cookie_checker_.check(queued.message(), source, loaded, now.boot, state_.random);
  if (verdict == MacVerdict::kInvalidMac1) {
    state_.drops.add(DropReason::kInvalidMac);
    return false;
  }
  if (!loaded) return true;
  if (verdict == MacVerdict::kValidMac2 &&
      rate_limiter_.allow(queued.from.address.raw(), now.boot)) {
    return true;
  }
  state_.drops.add(DropReason::kRateLimited);
  if (verdict == MacVerdict::kValidMac1) {
    CookieReplyMessage reply;
    cookie_checker_.create_reply(reply, queued.message(), source, now.boot, state_.random);
    if (send_message(nullptr, queued.from, bytes_of(reply), out)) ++cookie_replies_;
  }
  return false;
}

void Handshaker::on_initiation(const QueuedHandshake& queued, const Now& now, OutBatch& out) {
  const auto message = message_from<InitiationMessage>(queued);
  const auto opened = open_initiation(message, state_.identity);
  Peer* const found = opened ? state_.find_by_key(opened->remote_static) : nullptr;
  if (found == nullptr) {
    state_.drops.add(DropReason::kHandshakeRefused);
    return;
  }
  Peer& peer = *found;
  const bool is_other = opened->remote_static != peer.control.handshake.remote_static();
  Handshake& handshake = is_other ? peer.control.other_key->handshake : peer.control.handshake;
  const std::uint32_t own_pending = peer.control.handshake.local_index();
  if (handshake.consume_initiation(*opened, message, state_.identity, now.boot) !=
      HandshakeVerdict::kOk) {
    peer.drops.add(DropReason::kHandshakeRefused);
    return;
  }
  if (is_other) {
    say(LogLevel::kInfo, peer, "answers under the other of its two keys");
    use_other_key(peer);
  }
  // Our own initiation, if one was under way, is overtaken.
  if (own_pending != 0) state_.pending_indices.erase(own_pending);
  say(LogLevel::kDebug, peer, "received handshake initiation");
  peer.endpoint.roam(queued.from);
  authenticated_received(peer, queued.len, now);
  send_response(peer, now, out);
}

// What was under way under the first is over.
void Handshaker::use_other_key(Peer& peer) {
  PeerControl& control = peer.control;
  forget_pending_index(peer);
  control.handshake.clear();
  std::swap(control.handshake, control.other_key->handshake);
  std::swap(control.cookie_maker, control.other_key->cookie_maker);
}

void Handshaker::set_keys(Peer& peer, const PublicKey& present,
                          const std::optional<PublicKey>& next) {
  if (peer.public_key == present && peer.next_public_key == next) return;
  PeerControl& control = peer.control;
  const auto is_kept = [&](const PublicKey& key) { return key == present || key == next; };
  // Every session that a dropped key made, not only the latest.
  const Sessions::Removed dropped = peer.sessions.keep(present, next);
  state_.retire(dropped);
  if (dropped.num > 0 && peer.sessions.empty()) clear_peer(peer, DropReason::kStagedExpired);
  if (!is_kept(control.session_key)) control.session_key = {};
  if (control.other_key && !is_kept(control.handshake.remote_static())) use_other_key(peer);
  const PresharedKey preshared_key = control.handshake.preshared_key().clone();
  if (!is_kept(control.handshake.remote_static())) {
    forget_pending_index(peer);
    control.handshake = Handshake(present);
    control.cookie_maker = CookieMaker(present);
    control.handshake.set_preshared_key(preshared_key.clone());
  }
  const std::optional<PublicKey> other =
      control.handshake.remote_static() == present ? next : std::optional(present);
  if (!other) {
    control.other_key.reset();
  } else if (!control.other_key || control.other_key->handshake.remote_static() != *other) {
    control.other_key = std::make_unique<PeerKey>(*other);
    control.other_key->handshake.set_preshared_key(preshared_key.clone());
  }
  state_.peers.erase(peer.public_key);
  if (peer.next_public_key) state_.next_keys.erase(*peer.next_public_key);
  peer.public_key = present;
  peer.next_public_key = next;
  state_.peers.emplace(present, &peer);
  if (next) state_.next_keys.emplace(*next, &peer);
}

void Handshaker::send_response(Peer& peer, const Now& now, OutBatch& out) {
  ResponseMessage response;
  const std::uint32_t index = new_index();
  if (peer.control.handshake.create_response(response, index, state_.random) !=
      HandshakeVerdict::kOk) {
    peer.drops.add(DropReason::kHandshakeRefused);
    return;
  }
  peer.control.cookie_maker.add_macs(bytes_of(response), now.boot);
  Keypair* const keypair = make_keypair(peer, now);
  if (keypair == nullptr) return;
  state_.retire(peer.sessions.install_as_responder(keypair));
  peer.timers.session_derived(now.boot);
  peer.timers.handshake_answered(now.boot);
  Endpoint to;
  if (peer.endpoint.get(to) && send_message(&peer, to, bytes_of(response), out)) {
    peer.timers.any_authenticated_packet_sent(now.boot);
    say(LogLevel::kDebug, peer, "sending handshake response");
  }
  state_.timers.reschedule(peer);
}

void Handshaker::on_response(const QueuedHandshake& queued, const Now& now, OutBatch& out) {
  const auto message = message_from<ResponseMessage>(queued);
  const auto found = state_.pending_indices.find(load_le32(message.receiver.data()));
  if (found == state_.pending_indices.end()) {
    state_.drops.add(DropReason::kHandshakeRefused);
    return;
  }
  Peer& peer = *found->second;
  if (peer.control.handshake.consume_response(message, state_.identity) != HandshakeVerdict::kOk) {
    peer.drops.add(DropReason::kHandshakeRefused);
    return;
  }
  state_.pending_indices.erase(found);
  Keypair* const keypair = make_keypair(peer, now);
  if (keypair == nullptr) return;
  say(LogLevel::kDebug, peer, "received handshake response");
  peer.endpoint.roam(queued.from);
  authenticated_received(peer, queued.len, now);
  state_.retire(peer.sessions.install_as_initiator(keypair));
  peer.timers.session_derived(now.boot);
  handshake_complete(peer, now);
  // Staged data, or an empty keepalive, confirms the session to the responder.
  const std::uint64_t before = keypair->send_counter();
  sealer_.flush_staged(peer, now, out);
  if (keypair->send_counter() == before) sealer_.send_keepalive(peer, now, out);
  state_.timers.reschedule(peer);
}

void Handshaker::on_cookie_reply(const QueuedHandshake& queued, const Now& now) {
  const auto message = message_from<CookieReplyMessage>(queued);
  const std::uint32_t index = load_le32(message.receiver.data());
  Peer* peer = nullptr;
  if (const auto found = state_.pending_indices.find(index);
      found != state_.pending_indices.end()) {
    peer = found->second;
  } else if (const Keypair* keypair = state_.sessions.lookup(index); keypair != nullptr) {
    // An answer to our response: its index is a session's already.
    peer = static_cast<Peer*>(keypair->owner);
  }
  if (peer == nullptr || !peer->control.cookie_maker.consume_reply(message, now.boot)) {
    (peer == nullptr ? state_.drops : peer->drops).add(DropReason::kHandshakeRefused);
    return;
  }
  peer->rx_bytes.fetch_add(queued.len, std::memory_order_relaxed);
  say(LogLevel::kDebug, *peer, "received cookie reply");
}

// --- initiating ---

void Handshaker::initiate(Peer& peer, bool is_retry, const Now& now, OutBatch& out) {
  PeerControl& control = peer.control;
  Endpoint to;
  if (!state_.up.load() || !state_.identity.has_private_key() || !peer.endpoint.get(to)) {
    peer.timers.handshake_impossible();
    return;
  }
  peer.timers.handshake_wanted();
  if (!peer.timers.may_initiate(now.boot)) {
    if (is_retry) {
      // The initiations crossed. On a slow path they would cross again each time, so one of us lets
      // the other go first.
      const bool yields = state_.identity.public_key() < control.handshake.remote_static();
      peer.timers.postpone_retransmission(new_jitter() +
                                          (yields ? kCrossedInitiationHold : Duration{}));
    } else {
      peer.timers.postpone_initiation();
    }
    return;
  }
  peer.timers.handshake_attempted(is_retry, new_jitter(), now.boot);

  const auto timestamp = timestamps_ ? timestamps_->next(now) : std::nullopt;
  if (!timestamp) {
    if (!std::exchange(clock_refused_, true)) {
      const std::string saved = timestamps_ ? timestamps_->where() : std::string();
      state_.say(LogLevel::kError,
                 "the wall clock is more than a year ahead of the last time stamp; no handshake is "
                 "initiated until it is set right (if it is right, remove the saved time stamp " +
                     saved + (saved.empty() ? "" : " ") + "and restart)");
    }
    return;
  }
  clock_refused_ = false;

  // Nobody answered under one key: perhaps the peer has the other.
  if (is_retry && control.other_key && control.handshake.initiation_under_way()) {
    use_other_key(peer);
  }
  forget_pending_index(peer);
  const std::uint32_t index = new_index();
  InitiationMessage message;
  if (control.handshake.create_initiation(message, state_.identity, index, *timestamp,
                                          state_.random) != HandshakeVerdict::kOk) {
    say(LogLevel::kError, peer, "its public key is not usable; no handshake is possible");
    return;
  }
  state_.pending_indices.emplace(index, &peer);
  control.cookie_maker.add_macs(bytes_of(message), now.boot);
  peer.timers.handshake_initiated(now.boot);
  send_message(&peer, to, bytes_of(message), out);
  say(LogLevel::kDebug, peer,
      is_retry ? "sending handshake initiation again" : "sending handshake initiation");
}

void Handshaker::retransmit(Peer& peer, const Now& now, OutBatch& out) {
  if (peer.timers.attempts_exhausted()) {
    give_up(peer, now);
    return;
  }
  peer.endpoint.forget_source();
  initiate(peer, /*is_retry=*/true, now, out);
}

void Handshaker::give_up(Peer& peer, const Now& now) {
  say(LogLevel::kDebug, peer, "handshake did not complete after 90 seconds, giving up");
  forget_pending_index(peer);
  peer.control.handshake.clear();
  peer.timers.handshake_given_up(now.boot);
  drop_staged(peer, DropReason::kStagedExpired);
}

// --- attention and timers ---

void Handshaker::attend(Peer& peer, std::uint32_t flags, const Now& now, OutBatch& out) {
  if (peer.control.removed) return;
  if (!has_room_for_peer(out)) {
    state_.attention.push(peer, flags);  // with the next turn
    return;
  }
  if ((flags & kSessionConfirmed) != 0) {
    handshake_complete(peer, now);
    sealer_.flush_staged(peer, now, out);
  }
  if ((flags & kFlushStaged) != 0) sealer_.flush_staged(peer, now, out);
  if ((flags & kSendKeepalive) != 0) {
    peer.timers.persistent_keepalive_begun(now.boot);
    keepalive(peer, now, out);
  }
  if ((flags & kWantHandshake) != 0 && !peer.timers.handshake_under_way()) {
    initiate(peer, /*is_retry=*/false, now, out);
  }
  if ((flags & kTryOtherEndpoint) != 0 && peer.timers.handshake_under_way()) {
    // It goes where nobody was asked yet, so under the same key.
    peer.timers.allow_initiation_at_once();
    forget_pending_index(peer);
    peer.control.handshake.clear();
    initiate(peer, /*is_retry=*/true, now, out);
  }
  if ((flags & kGoodbye) != 0 && liveness_.goodbye(peer, now.boot)) {
    say(LogLevel::kInfo, peer, "this controller is about to stop" + handover_text(peer, now.boot));
  }
  if ((flags & kGsoRefused) != 0) {
    say(LogLevel::kInfo, peer, "the path refuses segmentation offload; sending single datagrams");
  }
  state_.timers.reschedule(peer);
}

void Handshaker::fire_timers(const Now& now, OutBatch& out) {
  // Each round moves the first peer's deadline past now, so this ends.
  while (has_room_for_peer(out)) {
    Peer* const peer = state_.timers.first_due(now.boot);
    if (peer == nullptr) return;
    fire(*peer, now, out);
    state_.timers.reschedule(*peer);
  }
}

void Handshaker::fire(Peer& peer, const Now& now, OutBatch& out) {
  const DueTimers due = peer.timers.take_due(now.boot);
  if (due.zero_key_material) {
    say(LogLevel::kDebug, peer, "no new session for 540 seconds, wiping keys");
    clear_peer(peer, DropReason::kStagedExpired);
    return;
  }
  if (due.retransmit_handshake) retransmit(peer, now, out);
  if (due.new_handshake) {
    say(LogLevel::kDebug, peer, "nothing heard for 15 seconds, trying a new handshake");
    peer.endpoint.forget_source();
    initiate(peer, /*is_retry=*/false, now, out);
  }
  if (due.keepalive) {
    keepalive(peer, now, out);
    if (due.another_keepalive) peer.timers.expect_another_keepalive(now.boot);
  }
  if (due.persistent_keepalive) keepalive(peer, now, out);
  if (due.initiate) initiate(peer, /*is_retry=*/false, now, out);
}

void Handshaker::keepalive(Peer& peer, const Now& now, OutBatch& out) {
  if (!state_.up.load()) return;
  // What is staged serves as well.
  if (!peer.staged.empty()) {
    sealer_.flush_staged(peer, now, out);
    return;
  }
  if (!sealer_.send_keepalive(peer, now, out) && !peer.timers.handshake_under_way()) {
    initiate(peer, /*is_retry=*/false, now, out);
  }
}

void Handshaker::udp_outcome(const UdpSend& send, const UdpOutcome& outcome) {
  note_udp_outcome(state_, sealer_, send, outcome);
}

// --- parts ---

void Handshaker::clear_peer(Peer& peer, DropReason staged_reason) {
  state_.retire(peer.sessions.clear());
  forget_pending_index(peer);
  peer.control.handshake.clear();
  peer.timers.forget_all();
  drop_staged(peer, staged_reason);
}

void Handshaker::drop_staged(Peer& peer, DropReason reason) {
  const std::lock_guard lock(peer.staged.mutex());
  const std::uint32_t dropped = peer.staged.clear(state_.staged_pool);
  if (dropped > 0) peer.drops.add(reason, dropped);
}

Keypair* Handshaker::make_keypair(Peer& peer, const Now& now) {
  auto keys = peer.control.handshake.derive_session();
  if (!keys) return nullptr;
  peer.control.session_key = peer.control.handshake.remote_static();
  auto* const keypair = new Keypair(std::move(*keys), now.boot, &peer);
  const bool inserted = state_.sessions.insert(keypair);
  assert(inserted);  // new_index() looked there, and only we insert
  (void)inserted;
  return keypair;
}

void Handshaker::handshake_complete(Peer& peer, const Now& now) {
  peer.timers.handshake_complete(now.wall);
  ++completed_;
}

void Handshaker::authenticated_received(Peer& peer, std::size_t len, const Now& now) {
  peer.rx_bytes.fetch_add(len, std::memory_order_relaxed);
  peer.timers.any_authenticated_packet_received(now.boot);
}

void Handshaker::forget_pending_index(Peer& peer) {
  const std::uint32_t index = peer.control.handshake.local_index();
  const auto found = state_.pending_indices.find(index);
  if (found != state_.pending_indices.end() && found->second == &peer) {
    state_.pending_indices.erase(found);
  }
}

std::uint32_t Handshaker::new_index() {
  for (;;) {
    const std::uint32_t index = state_.random.u32();
    if (index != 0 && !state_.pending_indices.contains(index) &&
        state_.sessions.lookup(index) == nullptr) {
      return index;
    }
  }
}

Duration Handshaker::new_jitter() {
  constexpr auto kBound =
      static_cast<std::uint32_t>(kMaxTimerJitter / std::chrono::milliseconds(1));
  return std::chrono::milliseconds(state_.random.below(kBound + 1));
}

bool Handshaker::send_message(Peer* peer, const Endpoint& to, std::span<const std::uint8_t> message,
                              OutBatch& out) {
  std::uint8_t* const copy = out.has_room(1) ? out.allocate(message.size()) : nullptr;
  if (copy == nullptr) {
    (peer == nullptr ? state_.drops : peer->drops).add(DropReason::kBatchFull);
    return false;
  }
  std::memcpy(copy, message.data(), message.size());
  counters_->sent_datagrams.add(1);
  const auto len = static_cast<std::uint32_t>(message.size());
  if (peer == nullptr && joins_train(out, to, len)) {
    out.add_slice(copy, len);
    out.join_last_udp();
    return true;
  }
  UdpSend send{.to = to,
               .first_slice = out.num_slices(),
               .num_slices = 1,
               .len = len,
               .segment_len = len,
               .traffic_class = kHandshakeDscp,
               .peer = peer};
  out.add_slice(copy, len);
  out.add_udp(send);
  if (peer != nullptr) peer->tx_bytes.fetch_add(len, std::memory_order_relaxed);
  return true;
}

void Handshaker::say(LogLevel level, const Peer& peer, std::string_view text) const {
  if (state_.log) state_.log(level, "peer(" + peer.label() + "): " + std::string(text));
}

}  // namespace hawser
