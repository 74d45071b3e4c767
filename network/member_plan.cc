#include "network/member_plan.h"

#include <vector>

#include "network/plan_builder.h"

namespace hawser::network_internal {

void plan_members(HostPlan& plan, const Network& network, const NetworkHost& self,
                  const MemberAddresses& addresses, unsigned prefix_len) {
  PlanBuilder builder(plan, network, self);
  builder.add_address(addresses.at(&self), prefix_len);
  for (const NetworkHost& member : network.hosts) {
    if (&member == &self) continue;
    const IpAddress& address = addresses.at(&member);
    builder.add_peer(member, address, addresses.at(&self));
    const std::vector<std::uint32_t> itself = {builder.index_of(member)};
    builder.add_prefix(Prefix(address, address.bits()), itself, itself);
  }
  for (const Site& site : sites_for(network, self)) {
    std::vector<std::uint32_t> gateways;
    for (const NetworkHost* const host : site.hosts) {
      if (host != &self) gateways.push_back(builder.index_of(*host));
    }
    builder.add_site(site, gateways);
  }
  builder.finish();
}

}  // namespace hawser::network_internal
