#include "mesh/address_plan_full_mesh.h"

#include "mesh/member_plan.h"

namespace hawser {

void plan_full_mesh(HostPlan& plan, const Network& network, const NetworkHost& self) {
  mesh_internal::MemberAddresses addresses;
  for (const NetworkHost& member : network.hosts) addresses[&member] = *member.mesh_ip;
  mesh_internal::plan_members(plan, network, self, addresses, network.cidr->length());
}

}  // namespace hawser
