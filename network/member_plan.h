#pragma once
// What address plans without controllers have in common. Internal to network/.
#include <map>

#include "network/plan.h"

namespace hawser::network_internal {

using MemberAddresses = std::map<const NetworkHost*, IpAddress>;

// Every member is every other's peer, with a /32 or /128 and what is behind it. `addresses` has
// all of the network's hosts; `prefix_len` is that of this host's own address.
void plan_members(HostPlan& plan, const Network& network, const NetworkHost& self,
                  const MemberAddresses& addresses, unsigned prefix_len);

}  // namespace hawser::network_internal
