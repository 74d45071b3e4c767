#include "network/plan.h"

#include <algorithm>

#include "network/address_plan_controllers_and_peers.h"
#include "network/address_plan_full_mesh.h"
#include "network/address_plan_node_id.h"
#include "network/check.h"
#include "network/nearest_name.h"

namespace hawser {
namespace {

// Entries that parse_network() reported on lack something; check_network() leaves those out.
bool is_complete(const Network& network) {
  if (network.name.empty()) return false;
  if (network.plan != AddressPlan::kControllersAndPeers && !network.cidr) return false;
  if (network.key_lines.contains("ipv4") && !network.ipv4) return false;
  return std::all_of(network.hosts.begin(), network.hosts.end(), [&](const NetworkHost& host) {
    const bool needs_endpoint =
        host.role != HostRole::kPeer && network.plan != AddressPlan::kNodeId;
    const bool needs_mesh_ip = network.plan == AddressPlan::kFullMesh;
    return host.public_key && (host.endpoint || !needs_endpoint) &&
           (host.mesh_ip || !needs_mesh_ip);
  });
}

void add_host_names(HostPlan& plan, const Network& network) {
  if (network.plan == AddressPlan::kNodeId) {
    const auto addresses = node_addresses(network);
    for (const NetworkHost& host : network.hosts) {
      plan.hosts.push_back({network.full_name(host), addresses.at(&host).address});
    }
    return;
  }
  const bool is_listed = network.plan == AddressPlan::kFullMesh;
  for (const NetworkHost& host : network.hosts) {
    const IpAddress address = is_listed ? *host.mesh_ip : *named_address(network, host);
    plan.hosts.push_back({network.full_name(host), address});
    const std::optional<IpAddress> ipv4 = ipv4_address(network, host);
    if (ipv4) plan.hosts.push_back({network.full_name(host), *ipv4});
  }
}

}  // namespace

std::string InterfaceAddress::to_string() const {
  return address.to_string() + '/' + std::to_string(prefix_len);
}

std::vector<Prefix> HostPlan::added_routes() const {
  std::vector<Prefix> added;
  for (const Prefix& route : routes) {
    const bool is_connected =
        std::any_of(interface.addresses.begin(), interface.addresses.end(),
                    [&](const InterfaceAddress& address) { return address.connected() == route; });
    if (!is_connected) added.push_back(route);
  }
  return added;
}

bool is_same_peer(const PlanPeer& a, const PlanPeer& b) {
  return a.public_key == b.public_key || a.public_key_next == b.public_key ||
         a.public_key == b.public_key_next;
}

Result<HostPlan> plan_host(const Network& network, std::string_view host_name) {
  const NetworkHost* const self = network.find(host_name);
  if (self == nullptr) {
    return Error{"\"" + std::string(host_name) + "\" is not a host of network " + network.name +
                 "; " + suggest_name(host_name, network.host_names())};
  }
  if (!is_complete(network)) return Error{"the network's file has errors; hawser check names them"};
  for (const Problem& problem : check_network(network)) {
    if (problem.severity == Severity::kError)
      return Error{problem_to_string(problem, network.name)};
  }
  HostPlan plan;
  plan.network = network.name;
  plan.host = self->name;
  plan.role = self->role;
  plan.public_key = *self->public_key;
  plan.public_key_next = self->public_key_next;
  plan.interface.name = network.interface;
  plan.interface.listen_port = network.listen_port(*self);
  plan.interface.mtu = network.mtu;
  plan.exit = self->use_exit;
  switch (network.plan) {
    case AddressPlan::kControllersAndPeers:
      plan_controllers_and_peers(plan, network, *self);
      break;
    case AddressPlan::kFullMesh:
      plan_full_mesh(plan, network, *self);
      break;
    case AddressPlan::kNodeId:
      plan_node_id(plan, network, *self);
      break;
  }
  add_host_names(plan, network);
  return plan;
}

}  // namespace hawser
