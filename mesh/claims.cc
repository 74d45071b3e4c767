#include "mesh/claims.h"

#include "mesh/address_plan_controllers_and_peers.h"
#include "mesh/address_plan_node_id.h"

namespace hawser::mesh_internal {
namespace {

DerivedClaims controllers_and_peers(const Network& network) {
  DerivedClaims claims;
  const Prefix prefix = mesh_network_prefix(network.name);
  const std::vector<const NetworkHost*> peers = network.hosts_of(HostRole::kPeer);
  for (const NetworkHost* const controller : network.hosts_of(HostRole::kController)) {
    const Prefix subnet = controller_subnet(prefix, controller->name);
    claims.try_emplace(subnet, controller);
    for (const NetworkHost* const peer : peers) {
      claims.try_emplace(peer_prefix(subnet, peer->name), peer);
    }
  }
  return claims;
}

}  // namespace

DerivedClaims derived_claims(const Network& network) {
  if (network.plan == AddressPlan::kControllersAndPeers) return controllers_and_peers(network);
  DerivedClaims claims;
  const auto claim = [&](const NetworkHost& host, const IpAddress& address) {
    claims.try_emplace(Prefix(address, address.bits()), &host);
  };
  if (network.plan == AddressPlan::kFullMesh) {
    for (const NetworkHost& host : network.hosts) {
      if (host.mesh_ip) claim(host, *host.mesh_ip);
    }
  } else if (network.cidr) {
    for (const auto& [host, node] : node_addresses(network)) claim(*host, node.address);
  }
  return claims;
}

std::optional<Prefix> whole_network(const Network& network) {
  if (network.plan != AddressPlan::kControllersAndPeers) return network.cidr;
  return mesh_network_prefix(network.name);
}

}  // namespace hawser::mesh_internal
