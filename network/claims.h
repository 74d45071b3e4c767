#pragma once
// Who has which addresses by the address plan alone. Internal to network/.
#include <map>
#include <vector>

#include "network/network.h"
#include "routing/ip_address.h"

namespace hawser::network_internal {

// Prefix → the host it leads to: a controller's subnet, a peer's /96 in each subnet, a host's one
// IPv4 address beside them, a member's one address. Where two clash, the first by name has it; that
// has been reported elsewhere.
using DerivedClaims = std::map<Prefix, const NetworkHost*>;
DerivedClaims derived_claims(const Network& network);

// The prefixes that hold all of the network's addresses; none when the file did not give one.
std::vector<Prefix> whole_network(const Network& network);

}  // namespace hawser::network_internal
