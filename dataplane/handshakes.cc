#include "dataplane/handshakes.h"

#include <cassert>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "base/wire.h"

namespace hawser {
namespace {

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

}  // namespace

Handshakes::Handshakes(DeviceState& state, TimestampStore* store, TrainSealer& sealer,
                       HandshakeSender& sender)
    : state_(state), store_(store), sealer_(sealer), sender_(sender) {}

// --- messages ---

void Handshakes::on_initiation(const QueuedHandshake& queued, const Batch& batch) {
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
  if (handshake.consume_initiation(*opened, message, state_.identity, batch.now.boot) !=
      HandshakeVerdict::kOk) {
    peer.drops.add(DropReason::kHandshakeRefused);
    return;
  }
  if (is_other) {
    state_.say(LogLevel::kInfo, peer, "answers under the other of its two keys");
    use_other_key(peer);
  }
  // Our own initiation, if one was under way, is overtaken.
  if (own_pending != 0) state_.pending_indices.erase(own_pending);
  state_.say(LogLevel::kDebug, peer, "received handshake initiation");
  peer.endpoint.roam(queued.from);
  authenticated_received(peer, queued.len, batch.now);
  send_response(peer, batch);
}

void Handshakes::send_response(Peer& peer, const Batch& batch) {
  ResponseMessage response;
  const std::uint32_t index = new_index();
  if (peer.control.handshake.create_response(response, index, state_.random) !=
      HandshakeVerdict::kOk) {
    peer.drops.add(DropReason::kHandshakeRefused);
    return;
  }
  peer.control.cookie_maker.add_macs(bytes_of(response), batch.now.boot);
  Keypair* const keypair = make_keypair(peer, batch.now);
  if (keypair == nullptr) return;
  state_.retire(peer.sessions.install_as_responder(keypair));
  peer.timers.session_derived(batch.now.boot);
  peer.timers.handshake_answered(batch.now.boot);
  Endpoint to;
  if (peer.endpoint.get(to) && sender_.send(peer, to, bytes_of(response), batch.out)) {
    peer.timers.any_authenticated_packet_sent(batch.now.boot);
    state_.say(LogLevel::kDebug, peer, "sending handshake response");
  }
  state_.timers.reschedule(peer);
}

void Handshakes::on_response(const QueuedHandshake& queued, const Batch& batch) {
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
  Keypair* const keypair = make_keypair(peer, batch.now);
  if (keypair == nullptr) return;
  state_.say(LogLevel::kDebug, peer, "received handshake response");
  peer.endpoint.roam(queued.from);
  authenticated_received(peer, queued.len, batch.now);
  state_.retire(peer.sessions.install_as_initiator(keypair));
  peer.timers.session_derived(batch.now.boot);
  complete(peer, batch.now);
  // Staged data, or an empty keepalive, confirms the session to the responder.
  const std::uint64_t before = keypair->send_counter();
  sealer_.flush_staged(peer, batch);
  if (keypair->send_counter() == before) sealer_.send_keepalive(peer, batch);
  state_.timers.reschedule(peer);
}

void Handshakes::on_cookie_reply(const QueuedHandshake& queued, const Now& now) {
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
  state_.say(LogLevel::kDebug, *peer, "received cookie reply");
}

// --- initiating ---

void Handshakes::initiate(Peer& peer, bool is_retry, const Batch& batch) {
  PeerControl& control = peer.control;
  Endpoint to;
  if (!state_.up.load() || !state_.identity.has_private_key() || !peer.endpoint.get(to)) {
    peer.timers.handshake_impossible();
    return;
  }
  peer.timers.handshake_wanted();
  if (!peer.timers.may_initiate(batch.now.boot)) {
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
  peer.timers.handshake_attempted(is_retry, new_jitter(), batch.now.boot);

  const auto timestamp = timestamps_ ? timestamps_->next(batch.now) : std::nullopt;
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
    state_.say(LogLevel::kError, peer, "its public key is not usable; no handshake is possible");
    return;
  }
  state_.pending_indices.emplace(index, &peer);
  control.cookie_maker.add_macs(bytes_of(message), batch.now.boot);
  peer.timers.handshake_initiated(batch.now.boot);
  sender_.send(peer, to, bytes_of(message), batch.out);
  state_.say(LogLevel::kDebug, peer,
             is_retry ? "sending handshake initiation again" : "sending handshake initiation");
}

void Handshakes::try_other_endpoint(Peer& peer, const Batch& batch) {
  if (!peer.timers.handshake_under_way()) return;
  // It goes where nobody was asked yet, so under the same key.
  peer.timers.allow_initiation_at_once();
  forget_pending_index(peer);
  peer.control.handshake.clear();
  initiate(peer, /*is_retry=*/true, batch);
}

void Handshakes::retransmit(Peer& peer, const Batch& batch) {
  if (peer.timers.attempts_exhausted()) {
    give_up(peer, batch.now);
    return;
  }
  peer.endpoint.forget_source();
  initiate(peer, /*is_retry=*/true, batch);
}

void Handshakes::give_up(Peer& peer, const Now& now) {
  state_.say(LogLevel::kDebug, peer, "handshake did not complete after 90 seconds, giving up");
  forget_pending_index(peer);
  peer.control.handshake.clear();
  peer.timers.handshake_given_up(now.boot);
  drop_staged(peer, DropReason::kStagedExpired);
}

// --- sessions ---

Keypair* Handshakes::make_keypair(Peer& peer, const Now& now) {
  auto keys = peer.control.handshake.derive_session();
  if (!keys) return nullptr;
  peer.control.session_key = peer.control.handshake.remote_static();
  auto* const keypair = new Keypair(std::move(*keys), now.boot, &peer);
  const bool inserted = state_.sessions.insert(keypair);
  assert(inserted);  // new_index() looked there, and only we insert
  (void)inserted;
  return keypair;
}

void Handshakes::complete(Peer& peer, const Now& now) {
  peer.timers.handshake_complete(now.wall);
  ++completed_;
}

void Handshakes::authenticated_received(Peer& peer, std::size_t len, const Now& now) {
  peer.rx_bytes.fetch_add(len, std::memory_order_relaxed);
  peer.timers.any_authenticated_packet_received(now.boot);
}

void Handshakes::clear_peer(Peer& peer, DropReason staged_reason) {
  state_.retire(peer.sessions.clear());
  forget_pending_index(peer);
  peer.control.handshake.clear();
  peer.timers.forget_all();
  drop_staged(peer, staged_reason);
}

void Handshakes::drop_staged(Peer& peer, DropReason reason) {
  const std::lock_guard lock(peer.staged.mutex());
  const std::uint32_t dropped = peer.staged.clear(state_.staged_pool);
  if (dropped > 0) peer.drops.add(reason, dropped);
}

// --- keys ---

void Handshakes::identity_changed() {
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

// What was under way under the first is over.
void Handshakes::use_other_key(Peer& peer) {
  PeerControl& control = peer.control;
  forget_pending_index(peer);
  control.handshake.clear();
  std::swap(control.handshake, control.other_key->handshake);
  std::swap(control.cookie_maker, control.other_key->cookie_maker);
}

void Handshakes::set_keys(Peer& peer, const PublicKey& present,
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

// --- parts ---

void Handshakes::forget_pending_index(Peer& peer) {
  const std::uint32_t index = peer.control.handshake.local_index();
  const auto found = state_.pending_indices.find(index);
  if (found != state_.pending_indices.end() && found->second == &peer) {
    state_.pending_indices.erase(found);
  }
}

std::uint32_t Handshakes::new_index() {
  for (;;) {
    const std::uint32_t index = state_.random.u32();
    if (index != 0 && !state_.pending_indices.contains(index) &&
        state_.sessions.lookup(index) == nullptr) {
      return index;
    }
  }
}

Duration Handshakes::new_jitter() {
  constexpr auto kBound =
      static_cast<std::uint32_t>(kMaxTimerJitter / std::chrono::milliseconds(1));
  return std::chrono::milliseconds(state_.random.below(kBound + 1));
}

}  // namespace hawser
