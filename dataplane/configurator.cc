#include "dataplane/configurator.h"

#include <algorithm>
#include <cerrno>
#include <set>
#include <unordered_set>
#include <utility>

namespace hawser {

Status Configurator::apply(DeviceChange change, const Now& now) {
  if (Status status = check(change); !status) return status;

  AllowedIpsEdit edit(state_.allowed_ips);
  if (change.listen_port) state_.listen_port = *change.listen_port;
  if (change.fwmark) state_.fwmark = *change.fwmark;
  if (change.private_key) apply_private_key(std::move(*change.private_key), edit);
  if (change.replace_peers) replace_peers(change, edit);
  for (PeerChange& peer : change.peers) apply_peer(peer, edit);
  edit.commit();
  apply_overlay(change, now);

  for (Peer* peer : std::exchange(removed_, {})) {
    state_.domain.retire([this, peer] { state_.bury(peer); });
  }
  return {};
}

// Groups hold peers, so they follow when a peer comes or goes.
void Configurator::apply_overlay(DeviceChange& change, const Now& now) {
  const bool others = std::exchange(created_, false) || !removed_.empty();
  const bool changed = change.overlay && *change.overlay != state_.overlay_config;
  if (changed) state_.overlay_config = std::move(*change.overlay);
  if (!changed && (!others || state_.overlay_config.empty())) return;
  state_.overlay.rebuild(state_.overlay_config, state_.peers);
  handshaker_.watch().overlay_changed(now);
}

Status Configurator::check(const DeviceChange& change) const {
  std::size_t num = change.replace_peers ? 0 : state_.peers.size();
  std::unordered_set<PublicKey> added;
  for (const PeerChange& peer : change.peers) {
    if (peer.remove || peer.update_only || added.contains(peer.public_key)) continue;
    if (!change.replace_peers && state_.peers.contains(peer.public_key)) continue;
    added.insert(peer.public_key);
    ++num;
  }
  if (num > kMaxPeers) {
    return Error{"this would make " + std::to_string(num) + " peers; a device has at most " +
                     std::to_string(kMaxPeers),
                 ENOSPC};
  }
  return {};
}

// Peers that are named again keep their sessions; what the change does not say of them goes back to
// what a new peer has.
void Configurator::replace_peers(DeviceChange& change, AllowedIpsEdit& edit) {
  std::unordered_set<PublicKey> named;
  std::unordered_set<const Peer*> kept;
  for (PeerChange& peer : change.peers) {
    if (!named.insert(peer.public_key).second) continue;
    kept.insert(find_peer(peer));
    peer.replace_allowed_ips = true;
    if (!peer.preshared_key) peer.preshared_key.emplace();
    if (!peer.next_public_key && state_.peers.contains(peer.public_key)) {
      peer.next_public_key.emplace();
    }
    if (!peer.persistent_keepalive) peer.persistent_keepalive = 0;
  }
  std::vector<Peer*> gone;
  for (const auto& [order, peer] : state_.peers_in_order) {
    if (!kept.contains(peer)) gone.push_back(peer);
  }
  for (Peer* peer : gone) remove_peer(*peer, edit);
}

void Configurator::apply_private_key(PrivateKey key, AllowedIpsEdit& edit) {
  Identity identity(std::move(key));
  if (identity.has_private_key() == state_.identity.has_private_key() &&
      identity.public_key() == state_.identity.public_key()) {
    return;
  }
  state_.identity = std::move(identity);
  state_.has_private_key = state_.identity.has_private_key();
  // A peer with our own key could only be a mistake.
  const auto self = state_.peers.find(state_.identity.public_key());
  if (state_.identity.has_private_key() && self != state_.peers.end()) {
    remove_peer(*self->second, edit);
  }
  if (const auto next = state_.next_keys.find(state_.identity.public_key());
      state_.identity.has_private_key() && next != state_.next_keys.end()) {
    handshaker_.handshakes().set_keys(*next->second, next->second->public_key, std::nullopt);
  }
  handshaker_.identity_changed();
}

// The one that has the key now; where the change speaks of two keys, also the one that will have
// it, or had it until now. A change of one key alone means the peer of that key and no other.
Peer* Configurator::find_peer(const PeerChange& change) const {
  const auto present = state_.peers.find(change.public_key);
  if (present != state_.peers.end()) return present->second;
  if (change.remove || change.update_only || !change.next_public_key) return nullptr;
  if (Peer* const peer = state_.find_by_key(change.public_key)) return peer;
  const auto found = state_.peers.find(*change.next_public_key);
  return found == state_.peers.end() ? nullptr : found->second;
}

void Configurator::apply_keys(Peer& peer, const PeerChange& change) {
  std::optional<PublicKey> next = peer.next_public_key;
  if (change.next_public_key) next = *change.next_public_key;
  // Not a second one, and nobody else's: only a mistake could say so.
  const Peer* const other = next ? state_.find_by_key(*next) : nullptr;
  if (next && (next->is_zero() || *next == change.public_key ||
               *next == state_.identity.public_key() || (other != nullptr && other != &peer))) {
    next.reset();
  }
  handshaker_.handshakes().set_keys(peer, change.public_key, next);
}

void Configurator::apply_peer(PeerChange& change, AllowedIpsEdit& edit) {
  Peer* peer = find_peer(change);
  if (change.remove) {
    if (peer != nullptr) remove_peer(*peer, edit);
    return;
  }
  const bool is_self =
      state_.identity.has_private_key() && change.public_key == state_.identity.public_key();
  if (is_self || (peer == nullptr && change.update_only)) return;
  if (peer == nullptr) {
    // A key is one peer's: it is no longer what another will have.
    if (Peer* const other = state_.find_by_key(change.public_key)) {
      handshaker_.handshakes().set_keys(*other, other->public_key, std::nullopt);
    }
    peer = &create_peer(change.public_key);
  }
  apply_keys(*peer, change);

  if (change.preshared_key) {
    PeerControl& control = peer->control;
    if (control.other_key) {
      control.other_key->handshake.set_preshared_key(change.preshared_key->clone());
    }
    control.handshake.set_preshared_key(std::move(*change.preshared_key));
  }
  std::uint32_t wake = kFlushStaged;
  if (change.name) peer->control.name = std::move(*change.name);
  if (change.persistent_keepalive) {
    const std::uint16_t old =
        peer->timers.persistent_keepalive.exchange(*change.persistent_keepalive);
    if (old == 0 && *change.persistent_keepalive != 0) wake |= kSendKeepalive;
  }
  if (change.endpoint) {
    Endpoint known;
    const bool is_first = !peer->endpoint.get(known);
    if (is_first && peer->timers.persistent_keepalive.load() != 0) wake |= kSendKeepalive;
    peer->endpoint.configure(*change.endpoint);
    if (change.tries_other_endpoint) wake |= kTryOtherEndpoint;
  }
  apply_allowed_ips(*peer, change, edit);
  // Staged packets may have waited for this very endpoint.
  if (!peer->staged.empty()) wake |= kWantHandshake;
  state_.attention.push(*peer, wake);
}

void Configurator::apply_allowed_ips(Peer& peer, const PeerChange& change, AllowedIpsEdit& edit) {
  if (change.replace_allowed_ips) {
    // Only what is not named again is removed: an unchanged prefix is never absent.
    std::set<Prefix> kept;
    for (const AllowedIpChange& item : change.allowed_ips) {
      if (item.remove) {
        kept.erase(item.prefix);
      } else {
        kept.insert(item.prefix);
      }
    }
    std::vector<Prefix> gone;
    std::set_difference(peer.control.allowed_ips.begin(), peer.control.allowed_ips.end(),
                        kept.begin(), kept.end(), std::back_inserter(gone));
    for (const Prefix& prefix : gone) remove_allowed_ip(peer, prefix, edit);
  }
  for (const AllowedIpChange& item : change.allowed_ips) {
    if (item.remove) {
      remove_allowed_ip(peer, item.prefix, edit);
    } else {
      add_allowed_ip(peer, item.prefix, edit);
    }
  }
}

void Configurator::add_allowed_ip(Peer& peer, const Prefix& prefix, AllowedIpsEdit& edit) {
  if (!peer.control.allowed_ips.insert(prefix).second) return;
  Peer* const former = edit.insert(prefix, &peer);
  if (former != nullptr && former != &peer) former->control.allowed_ips.erase(prefix);
}

void Configurator::remove_allowed_ip(Peer& peer, const Prefix& prefix, AllowedIpsEdit& edit) {
  if (peer.control.allowed_ips.erase(prefix) > 0) edit.remove(prefix);
}

Peer& Configurator::create_peer(const PublicKey& key) {
  auto* const peer = new Peer(key);
  peer->control.order = state_.next_order++;
  created_ = true;
  state_.peers.emplace(key, peer);
  state_.peers_in_order.emplace(peer->control.order, peer);
  return *peer;
}

void Configurator::remove_peer(Peer& peer, AllowedIpsEdit& edit) {
  for (const Prefix& prefix : peer.control.allowed_ips) edit.remove(prefix);
  peer.control.allowed_ips.clear();
  handshaker_.handshakes().clear_peer(peer, DropReason::kStagedExpired);
  state_.timers.forget(peer);
  // What it dropped stays on record.
  state_.drops.take_over(peer.drops);
  peer.control.removed = true;
  state_.peers.erase(peer.public_key);
  if (peer.next_public_key) state_.next_keys.erase(*peer.next_public_key);
  state_.peers_in_order.erase(peer.control.order);
  removed_.push_back(&peer);
}

void Configurator::remove_all() {
  DeviceChange change;
  change.replace_peers = true;
  (void)apply(std::move(change), Now{});
}

}  // namespace hawser
