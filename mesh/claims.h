#pragma once
// Who has which addresses by the address plan alone. Internal to mesh/.
#include <map>

#include "mesh/network.h"
#include "routing/ip_address.h"

namespace hawser::mesh_internal {

// Prefix → the host it leads to: a controller's subnet, a peer's /96 in each subnet, a member's one
// address. Where two clash, the first by name has it; that has been reported elsewhere.
using DerivedClaims = std::map<Prefix, const NetworkHost*>;
DerivedClaims derived_claims(const Network& network);

// The prefix that holds all of the network's addresses; nothing when the file did not give one.
std::optional<Prefix> whole_network(const Network& network);

}  // namespace hawser::mesh_internal
