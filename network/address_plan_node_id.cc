#include "network/address_plan_node_id.h"

#include <string>

#include "base/wire.h"
#include "network/member_plan.h"
#include "network/name_hash.h"

namespace hawser {
namespace {

constexpr unsigned kMaxProbe = 1023;

IpAddress address_from_hash(const Prefix& subnet, std::string_view hashed) {
  const std::uint32_t host_mask =
      subnet.length() == 0 ? ~std::uint32_t{0} : ~std::uint32_t{0} >> subnet.length();
  const std::uint32_t host_part = load_be32(name_hash(hashed).data()) & host_mask;
  IpAddress address = subnet.address();
  store_be32(address.bytes.data(), load_be32(address.bytes.data()) | host_part);
  std::uint8_t& last_octet = address.bytes[3];
  if (last_octet == 0) last_octet = 1;
  if (last_octet == 255) last_octet = 254;
  return address;
}

}  // namespace

std::optional<IpAddress> node_address(const Prefix& subnet, std::string_view node_id,
                                      const std::unordered_set<IpAddress>& used) {
  IpAddress address = address_from_hash(subnet, node_id);
  for (unsigned probe = 1; used.contains(address); ++probe) {
    if (probe > kMaxProbe) return {};
    address = address_from_hash(subnet, std::string(node_id) + '\0' + std::to_string(probe));
  }
  return address;
}

std::map<const NetworkHost*, NodeAddress> node_addresses(const Network& network) {
  std::map<const NetworkHost*, NodeAddress> addresses;
  std::unordered_set<IpAddress> used;
  for (const NetworkHost& member : network.hosts) {
    const std::optional<IpAddress> address = node_address(*network.cidr, member.name, used);
    if (!address) continue;
    const bool moved = *address != address_from_hash(*network.cidr, member.name);
    addresses[&member] = {*address, moved};
    used.insert(*address);
  }
  return addresses;
}

void plan_node_id(HostPlan& plan, const Network& network, const NetworkHost& self) {
  network_internal::MemberAddresses addresses;
  for (const auto& [member, node] : node_addresses(network)) addresses[member] = node.address;
  const unsigned host_prefix_len = network.cidr->address().bits();
  network_internal::plan_members(plan, network, self, addresses, host_prefix_len);
}

}  // namespace hawser
