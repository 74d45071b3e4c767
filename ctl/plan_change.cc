#include "ctl/plan_change.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <unordered_map>
#include <utility>

namespace hawser {

namespace {

// PeersByKey finds the peer of a plan that is_same_peer() with another plan's; the first of
// several. Borrows the plan; none: it has no peers.
class PeersByKey {
 public:
  explicit PeersByKey(const HostPlan* plan) : plan_(plan) {
    if (plan == nullptr) return;
    for (std::size_t i = 0; i < plan->peers.size(); ++i) {
      const PlanPeer& peer = plan->peers[i];
      present_.try_emplace(peer.public_key, i);
      if (peer.public_key_next) next_.try_emplace(*peer.public_key_next, i);
    }
  }

  const PlanPeer* find(const PlanPeer& wanted) const {
    constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();
    std::size_t first = kNone;
    const auto look = [&](const Indices& indices, const PublicKey& key) {
      const auto found = indices.find(key);
      if (found != indices.end()) first = std::min(first, found->second);
    };
    look(present_, wanted.public_key);
    look(next_, wanted.public_key);
    if (wanted.public_key_next) look(present_, *wanted.public_key_next);
    return first == kNone ? nullptr : &plan_->peers[first];
  }

 private:
  using Indices = std::unordered_map<PublicKey, std::size_t>;
  const HostPlan* plan_;
  Indices present_;
  Indices next_;
};

std::optional<Endpoint> literal_endpoint(const PlanPeer& peer) {
  if (!peer.endpoint) return std::nullopt;
  const std::optional<IpAddress> address = peer.endpoint->address();
  if (!address) return std::nullopt;
  Endpoint endpoint;
  endpoint.address = *address;
  endpoint.port = peer.endpoint->port;
  return endpoint;
}

PeerChange peer_change(const PlanPeer& peer, const PlanPeer* previous, const PresharedKeys& keys) {
  PeerChange change;
  change.public_key = peer.public_key;
  change.name = peer.name;
  change.next_public_key = peer.public_key_next.value_or(PublicKey());
  change.replace_allowed_ips = true;
  for (const Prefix& prefix : peer.allowed_ips) change.allowed_ips.push_back({prefix, false});
  change.persistent_keepalive = peer.persistent_keepalive.value_or(0);
  const auto key = keys.find(peer.preshared_key_file);
  if (key != keys.end() && !peer.preshared_key_file.empty()) {
    change.preshared_key = key->second.clone();
  } else {
    change.preshared_key.emplace();
  }
  if (previous == nullptr || previous->endpoint != peer.endpoint) {
    change.endpoint = literal_endpoint(peer);
  }
  return change;
}

std::vector<PublicKey> keys_of(const HostPlan& plan, const std::vector<std::uint32_t>& peers) {
  std::vector<PublicKey> keys;
  keys.reserve(peers.size());
  for (const std::uint32_t index : peers) keys.push_back(plan.peers[index].public_key);
  return keys;
}

bool owns(const PlanPeer& peer, const Prefix& prefix) {
  return std::find(peer.allowed_ips.begin(), peer.allowed_ips.end(), prefix) !=
         peer.allowed_ips.end();
}

}  // namespace

Overlay plan_overlay(const HostPlan& plan) {
  Overlay overlay;
  for (const FailoverRoute& route : plan.failover_routes) {
    if (route.peers.size() > 1) {
      overlay.routes.push_back({route.destination, keys_of(plan, route.peers)});
    }
  }
  for (const AcceptRule& rule : plan.accept_rules) {
    if (rule.peers.size() > 1 || !owns(plan.peers[rule.peers.front()], rule.source)) {
      overlay.accepts.push_back({rule.source, keys_of(plan, rule.peers)});
    }
  }
  for (const PlanPeer& peer : plan.peers) {
    if (peer.role == HostRole::kController) {
      overlay.controllers.push_back({peer.public_key, peer.own_address, peer.address});
    } else if (peer.shares_site) {
      overlay.gateways.push_back({peer.public_key, peer.own_address, peer.address});
    }
    if (plan.role == HostRole::kController) {
      overlay.goodbyes.push_back({peer.public_key, peer.own_address, peer.address});
    }
  }
  return overlay;
}

DeviceChange plan_change(const HostPlan& plan, const HostPlan* previous,
                         const PresharedKeys& keys) {
  DeviceChange change;
  change.replace_peers = true;
  if (previous != nullptr && previous->interface.listen_port != plan.interface.listen_port) {
    change.listen_port = plan.interface.listen_port.value_or(0);
  }
  const PeersByKey before(previous);
  for (const PlanPeer& peer : plan.peers) {
    change.peers.push_back(peer_change(peer, before.find(peer), keys));
  }
  change.overlay = plan_overlay(plan);
  return change;
}

}  // namespace hawser
