#include "ctl/plan_change.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace hawser {

namespace {

const PlanPeer* find_peer(const HostPlan* plan, const PlanPeer& wanted) {
  if (plan == nullptr) return nullptr;
  const auto found = std::find_if(plan->peers.begin(), plan->peers.end(),
                                  [&](const PlanPeer& peer) { return is_same_peer(peer, wanted); });
  return found == plan->peers.end() ? nullptr : &*found;
}

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
  for (const PlanPeer& peer : plan.peers) {
    change.peers.push_back(peer_change(peer, find_peer(previous, peer), keys));
  }
  change.overlay = plan_overlay(plan);
  return change;
}

}  // namespace hawser
