#include <cstdio>
#include <map>
#include <set>

#include "base/wire.h"
#include "network/address_plan_controllers_and_peers.h"
#include "network/address_plan_node_id.h"
#include "network/check_parts.h"
#include "network/nearest_name.h"

namespace hawser::network_internal {
namespace {

// The network's address and the broadcast address.
constexpr std::size_t kReservedInPrefix = 2;

// Of an IPv4 prefix that is not the whole of IPv4.
std::uint32_t host_mask(const Prefix& v4) { return ~std::uint32_t{0} >> v4.length(); }

bool is_reserved(const IpAddress& address, const Prefix& cidr) {
  // In prefixes up to /30 the first address is the network's and the last the broadcast address.
  // The first of an IPv6 prefix is the subnet-router anycast address (RFC 4291 §2.6.1).
  if (cidr.length() + 1 >= address.bits()) return false;
  if (address == cidr.address()) return true;
  if (address.family == IpFamily::kV6) return false;
  const std::uint32_t mask = host_mask(cidr);
  return (load_be32(address.bytes.data()) & mask) == mask;
}

// --- controllers-and-peers ---

void check_controller_ids(CheckReport& report, const Network& network) {
  const Prefix prefix = network_prefix(network.name);
  std::map<std::uint16_t, const NetworkHost*> seen;
  for (const NetworkHost* const host : network.hosts_of(HostRole::kController)) {
    const auto [other, is_new] = seen.try_emplace(controller_id(host->name), host);
    if (is_new || other->second->name == host->name) continue;
    const auto [later, earlier] = later_and_earlier(*host, *other->second);
    report.error(*later, "",
                 later->name + " and " + host_and_line(*earlier) + " hash to the same subnet " +
                     controller_subnet(prefix, host->name).to_string(),
                 "rename one of the two controllers");
  }
}

// The upper half of a peer's suffix decides its /96 in every controller's subnet.
void check_peer_prefixes(CheckReport& report, const Network& network) {
  std::map<std::uint32_t, const NetworkHost*> seen;
  for (const NetworkHost* const host : network.hosts_of(HostRole::kPeer)) {
    const auto upper_half = static_cast<std::uint32_t>(peer_suffix(*host) >> 32);
    if (upper_half == 0) {
      report.error(*host, host->address_suffix ? "address_suffix" : "",
                   std::string(host->address_suffix ? "lies in" : "hashes into") +
                       " the /96 of the controllers' own addresses",
                   host->address_suffix ? "choose one that does not begin with two zero groups"
                                        : "rename the peer, or give it an address_suffix");
    }
    const auto [other, is_new] = seen.try_emplace(upper_half, host);
    if (is_new || other->second->name == host->name) continue;
    const auto [later, earlier] = later_and_earlier(*host, *other->second);
    char groups[16];
    std::snprintf(groups, sizeof groups, "%x:%x", upper_half >> 16, upper_half & 0xffff);
    report.error(*later, later->address_suffix ? "address_suffix" : "",
                 later->name + " and " + host_and_line(*earlier) +
                     (later->address_suffix || earlier->address_suffix ? " are in" : " hash into") +
                     " the same /96 of every controller's subnet (…:" + groups + "::/96)",
                 "rename one of the two peers, or give it another address_suffix");
  }
}

void check_designated_controllers(CheckReport& report, const Network& network) {
  std::vector<std::string_view> controllers;
  for (const NetworkHost* const host : network.hosts_of(HostRole::kController)) {
    controllers.push_back(host->name);
  }
  if (controllers.empty()) return;  // reported once, not for each peer
  for (const NetworkHost* const host : network.hosts_of(HostRole::kPeer)) {
    if (network.designated_controller(*host) != nullptr) continue;
    if (host->controller.empty()) {
      std::string example(controllers.front());
      report.error(*host, "controller",
                   "is missing: there are " + std::to_string(controllers.size()) + " controllers",
                   "say under which one " + host->name + "'s name resolves: controller = \"" +
                       example + "\"");
    } else {
      report.error(*host, "controller", "\"" + host->controller + "\" is not a controller",
                   suggest_name(host->controller, controllers));
    }
  }
}

// The next free host's address behind `taken`, and round; nothing when there is none.
std::optional<IpAddress> next_free(const Prefix& v4, const IpAddress& taken,
                                   const std::set<IpAddress>& used) {
  const std::uint32_t network = load_be32(v4.address().bytes.data());
  const std::uint32_t mask = host_mask(v4);
  std::uint32_t host = load_be32(taken.bytes.data());
  // One of any so many in a row is free, or the network is full.
  for (std::size_t i = 0; i < used.size() + kReservedInPrefix + 1; ++i) {
    host = (host + 1) & mask;
    IpAddress address = v4.address();
    store_be32(address.bytes.data(), network | host);
    if (!used.contains(address) && !is_reserved(address, v4)) return address;
  }
  return {};
}

void check_ipv4_addresses(CheckReport& report, const Network& network) {
  if (!network.ipv4) return;
  const Prefix& prefix = *network.ipv4;
  std::map<IpAddress, const NetworkHost*> seen;
  std::set<IpAddress> used;  // proposals, too: two clashes are not sent to one address
  for (const NetworkHost& host : network.hosts) used.insert(*ipv4_address(network, host));
  const auto proposal = [&](const NetworkHost& host, const IpAddress& instead_of) {
    const std::optional<IpAddress> address = next_free(prefix, instead_of, used);
    if (!address) return "there is no free address in " + prefix.to_string() + ": widen ipv4";
    used.insert(*address);
    return "write ipv4 = \"" + address->to_string() + "\" in [" + host.path() + "]";
  };
  for (const NetworkHost& host : network.hosts) {
    const IpAddress address = *ipv4_address(network, host);
    const std::string text = address.to_string();
    const std::string_view key = host.ipv4 ? "ipv4" : "";
    if (!prefix.contains(address)) {
      report.error(host, key, text + " is outside of the network's ipv4 " + prefix.to_string(),
                   proposal(host, prefix.address()));
      continue;
    }
    if (is_reserved(address, prefix)) {
      report.error(host, key,
                   std::string(host.ipv4 ? "" : "hashes to ") + text +
                       (host.ipv4 ? " is" : ", which is") + " not a host's address in " +
                       prefix.to_string(),
                   proposal(host, address));
      continue;
    }
    const auto [other, is_new] = seen.try_emplace(address, &host);
    if (is_new || other->second->name == host.name) continue;
    const auto [later, earlier] = later_and_earlier(host, *other->second);
    report.error(
        *later, later->ipv4 ? "ipv4" : "",
        later->name + " and " + host_and_line(*earlier) + " have the same IPv4 address, " + text,
        proposal(*later, address));
  }
}

// --- full-mesh ---

void check_mesh_ips(CheckReport& report, const Network& network) {
  std::map<IpAddress, const NetworkHost*> seen;
  for (const NetworkHost& host : network.hosts) {
    if (!host.mesh_ip) continue;
    const std::string address = host.mesh_ip->to_string();
    if (network.cidr && !network.cidr->contains(*host.mesh_ip)) {
      report.error(host, "mesh_ip",
                   address + " is outside of the network " + network.cidr->to_string(),
                   "choose an address inside, or widen cidr");
    } else if (network.cidr && is_reserved(*host.mesh_ip, *network.cidr)) {
      report.error(host, "mesh_ip",
                   address + " is not a host's address in " + network.cidr->to_string(),
                   "choose neither the first nor the last address");
    }
    const auto [other, is_new] = seen.try_emplace(*host.mesh_ip, &host);
    if (is_new) continue;
    const auto [later, earlier] = later_and_earlier(host, *other->second);
    report.error(*later, "mesh_ip",
                 address + " is the address of " + host_and_line(*earlier) + " too",
                 "give each host its own");
  }
}

// --- node-id ---

void check_node_addresses(CheckReport& report, const Network& network) {
  if (!network.cidr) return;
  const auto addresses = node_addresses(network);
  for (const NetworkHost& host : network.hosts) {
    const auto found = addresses.find(&host);
    if (found == addresses.end()) {
      report.error(host, "", "finds no free address in " + network.cidr->to_string(),
                   "choose a shorter prefix with cidr, or rename the host");
    } else if (found->second.moved) {
      report.warning(host, "",
                     "hashes to the address of a host earlier by name, and got " +
                         found->second.address.to_string() +
                         " instead, which depends on who else is in the file",
                     "rename the host, or put the same file on every host before it is used");
    }
  }
}

}  // namespace

void check_addresses(CheckReport& report, const Network& network) {
  switch (network.plan) {
    case AddressPlan::kControllersAndPeers:
      check_controller_ids(report, network);
      check_peer_prefixes(report, network);
      check_designated_controllers(report, network);
      check_ipv4_addresses(report, network);
      return;
    case AddressPlan::kFullMesh:
      check_mesh_ips(report, network);
      return;
    case AddressPlan::kNodeId:
      check_node_addresses(report, network);
      return;
  }
}

}  // namespace hawser::network_internal
