#pragma once
#include <string>

#include "network/plan.h"

namespace hawser {

// The plan for people: what the host is, its interface, one line for each allowed IP of a peer,
// routes and names, in aligned columns. No secrets.
std::string plan_to_table(const HostPlan& plan);

}  // namespace hawser
