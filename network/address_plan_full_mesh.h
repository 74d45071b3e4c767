#pragma once
// Address plan `full-mesh`: every member's address stands in the file, in a prefix of either
// family.
#include "network/network.h"
#include "network/plan.h"

namespace hawser {

// Called by plan_host(), for a network without errors; fills what differs between address plans.
// A member's own address has the network's prefix length.
void plan_full_mesh(HostPlan& plan, const Network& network, const NetworkHost& self);

}  // namespace hawser
