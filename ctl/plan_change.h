#pragma once
// From a host's plan to what the device is told. Pure.
#include "ctl/network_file.h"
#include "dataplane/change.h"
#include "dataplane/overlay.h"
#include "network/plan.h"

namespace hawser {

// plan_change makes one change of `plan`: all of its peers and no others (those that the device has
// already keep their sessions), and the overlay. `previous` is the plan that runs now, null at the
// start. Endpoints that are addresses are given only where they are new or changed: where a peer
// was last heard from is never overridden by a reload. Endpoints that are names are the
// EndpointResolver's. The listen port is named only where it differs from the previous plan's;
// the private key is not in it. `keys` has every preshared key file of `plan`.
DeviceChange plan_change(const HostPlan& plan, const HostPlan* previous, const PresharedKeys& keys);

// What stock WireGuard cannot say: who stands in for whom. Routes with one way and accept rules
// with the owner alone are the allowed IPs' and not repeated.
Overlay plan_overlay(const HostPlan& plan);

}  // namespace hawser
