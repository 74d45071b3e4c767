#include "network/address_plan_full_mesh.h"

#include "network/member_plan.h"

namespace hawser {

void plan_full_mesh(HostPlan& plan, const Network& network, const NetworkHost& self) {
  network_internal::MemberAddresses addresses;
  for (const NetworkHost& member : network.hosts) addresses[&member] = *member.mesh_ip;
  network_internal::plan_members(plan, network, self, addresses, network.cidr->length());
}

}  // namespace hawser
