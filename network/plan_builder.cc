#include "network/plan_builder.h"

#include <algorithm>
#include <cassert>

namespace hawser::network_internal {

PlanBuilder::PlanBuilder(HostPlan& plan, const Network& network, const NetworkHost& self)
    : plan_(plan), network_(network), self_(self) {}

void PlanBuilder::add_address(const IpAddress& address, unsigned prefix_len) {
  plan_.interface.addresses.push_back({address, prefix_len});
}

void PlanBuilder::add_peer(const NetworkHost& peer, const IpAddress& address,
                           const IpAddress& own_address) {
  indices_[&peer] = static_cast<std::uint32_t>(plan_.peers.size());
  PlanPeer added;
  added.name = peer.name;
  added.role = peer.role;
  added.public_key = *peer.public_key;
  added.public_key_next = peer.public_key_next;
  added.endpoint = peer.endpoint;
  added.persistent_keepalive = network_.keepalive_between(self_, peer);
  added.preshared_key_file = Network::preshared_key_file_between(self_, peer);
  added.address = address;
  added.own_address = own_address;
  added.tags = peer.tags;
  plan_.peers.push_back(std::move(added));
}

std::uint32_t PlanBuilder::index_of(const NetworkHost& peer) const {
  const auto found = indices_.find(&peer);
  assert(found != indices_.end());
  return found->second;
}

void PlanBuilder::add_prefix(const Prefix& prefix, std::vector<std::uint32_t> route,
                             std::vector<std::uint32_t> accept) {
  assert(!route.empty() && !accept.empty());
  std::sort(accept.begin(), accept.end());
  const std::uint32_t owner = route.front();
  const auto [entry, added] = prefixes_.try_emplace(prefix, std::move(route), std::move(accept));
  if (added) plan_.peers[owner].allowed_ips.push_back(prefix);
}

void PlanBuilder::add_site(const Site& site, const std::vector<std::uint32_t>& route) {
  if (route.empty()) return;  // nobody but ourselves
  if (site.is_exit() && takes_exit(network_, self_, *site.hosts.front(), site.prefix)) {
    own_exits_.insert(site.prefix);
  }
  if (!site.has(self_)) {
    add_prefix(site.prefix, route, route);
    if (!site.is_shared()) return;
    for (const NetworkHost* const host : site.hosts) {
      const auto peer = indices_.find(host);
      if (peer == indices_.end() || host->role == HostRole::kController) continue;
      plan_.peers[peer->second].shares_site = true;
    }
    return;
  }
  if (!site.is_shared()) return;
  std::vector<std::uint32_t> accept = route;
  std::sort(accept.begin(), accept.end());
  prefixes_.try_emplace(site.prefix, std::vector<std::uint32_t>(), std::move(accept));
}

void PlanBuilder::finish() {
  std::vector<Prefix> connected;
  for (const InterfaceAddress& address : plan_.interface.addresses) {
    // A host prefix connects to nobody but ourselves.
    if (address.prefix_len < address.address.bits()) connected.push_back(address.connected());
  }
  std::set<Prefix> routes(connected.begin(), connected.end());
  for (auto& [prefix, through] : prefixes_) {
    plan_.accept_rules.push_back({prefix, std::move(through.second)});
    if (through.first.empty()) continue;
    plan_.failover_routes.push_back({prefix, std::move(through.first)});
    const bool is_connected = std::any_of(
        connected.begin(), connected.end(),
        [&](const Prefix& own) { return own.contains(plan_.failover_routes.back().destination); });
    // What is relayed for others is no way of this host's own.
    const bool is_relayed_only = prefix.length() == 0 && !own_exits_.contains(prefix);
    if (!is_connected && !is_relayed_only) routes.insert(prefix);
  }
  plan_.routes.assign(routes.begin(), routes.end());
}

}  // namespace hawser::network_internal
