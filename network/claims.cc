#include "network/claims.h"

#include "network/address_plan_controllers_and_peers.h"
#include "network/address_plan_node_id.h"

namespace hawser::network_internal {
namespace {

DerivedClaims controllers_and_peers(const Network& network) {
  DerivedClaims claims;
  const Prefix prefix = network_prefix(network.name);
  const std::vector<const NetworkHost*> peers = network.hosts_of(HostRole::kPeer);
  for (const NetworkHost* const controller : network.hosts_of(HostRole::kController)) {
    const Prefix subnet = controller_subnet(prefix, controller->name);
    claims.try_emplace(subnet, controller);
    for (const NetworkHost* const peer : peers) {
      claims.try_emplace(peer_prefix(subnet, peer_suffix(*peer)), peer);
    }
  }
  for (const NetworkHost& host : network.hosts) {
    const std::optional<IpAddress> address = ipv4_address(network, host);
    if (address) claims.try_emplace(Prefix(*address, address->bits()), &host);
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

std::vector<Prefix> whole_network(const Network& network) {
  std::vector<Prefix> prefixes;
  if (network.plan == AddressPlan::kControllersAndPeers) {
    prefixes.push_back(network_prefix(network.name));
    if (network.ipv4) prefixes.push_back(*network.ipv4);
  } else if (network.cidr) {
    prefixes.push_back(*network.cidr);
  }
  return prefixes;
}

}  // namespace hawser::network_internal
