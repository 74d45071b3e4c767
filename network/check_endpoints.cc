#include <algorithm>
#include <map>
#include <unordered_set>
#include <vector>

#include "network/check_parts.h"
#include "network/claims.h"
#include "network/name_rules.h"

namespace hawser::network_internal {
namespace {

using FullNames = std::unordered_set<std::string>;  // lower case

void check_reachable(CheckReport& report, const FullNames& full_names, const NetworkHost& host,
                     const std::vector<Prefix>& own) {
  const std::string text = host.endpoint->to_string();
  std::string name = lower_case(host.endpoint->host);
  if (name.ends_with('.')) name.pop_back();
  const std::optional<IpAddress> address = host.endpoint->address();
  const auto whole = std::find_if(own.begin(), own.end(), [&](const Prefix& prefix) {
    return address && prefix.contains(*address);
  });
  if (address && (address->is_unspecified() || address->is_multicast())) {
    report.error(host, "endpoint", text + " is not the address of a host",
                 "write the address on which others reach " + host.name);
  } else if (address && address->family == IpFamily::kV6 && address->is_link_local()) {
    report.error(host, "endpoint",
                 text + " is a link-local address, which says nothing of the link",
                 "write an address on which others reach " + host.name + " from anywhere");
  } else if ((address && address->is_loopback()) || name == "localhost") {
    report.warning(host, "endpoint", text + " is reached on the same machine only",
                   "write the address on which others reach " + host.name);
  } else if (whole != own.end()) {
    report.error(host, "endpoint",
                 text + " is an address inside of the network " + whole->to_string() +
                     ": the tunnel would run through itself",
                 "write the address on which others reach " + host.name + " without the network");
  }
  if (!address && full_names.contains(name)) {
    report.error(host, "endpoint",
                 text + " is a name of this network, which resolves to an address inside of it",
                 "write the name or address on which others reach it without the network");
  }
}

void check_port(CheckReport& report, const Network& network, const NetworkHost& host) {
  const std::uint16_t listens = *network.listen_port(host);
  const std::uint16_t called = host.endpoint->port;
  if (listens == called) return;
  report.warning(host, "endpoint",
                 "others send to port " + std::to_string(called) + ", the host listens on " +
                     std::to_string(listens),
                 "write port = " + std::to_string(called) +
                     " at the host, unless something on the way translates the port");
}

void check_distinct(CheckReport& report, const Network& network) {
  std::map<std::string, const NetworkHost*> seen;
  for (const NetworkHost& host : network.hosts) {
    if (!host.endpoint) continue;
    const auto [other, is_new] = seen.try_emplace(lower_case(host.endpoint->to_string()), &host);
    if (is_new) continue;
    const auto [later, earlier] = later_and_earlier(host, *other->second);
    report.error(
        *later, "endpoint",
        host.endpoint->to_string() + " is the endpoint of " + host_and_line(*earlier) + " too",
        "give each host its own address or port");
  }
}

// What this machine would send to itself.
void check_not_own(CheckReport& report, const Network& network, const CheckContext& context) {
  const NetworkHost* const self = network.find(context.host);
  if (self == nullptr) return;
  for (const NetworkHost& host : network.hosts) {
    if (&host == self || !host.endpoint) continue;
    const std::optional<IpAddress> address = host.endpoint->address();
    if (!address) continue;
    const bool is_own = std::find(context.local_addresses.begin(), context.local_addresses.end(),
                                  *address) != context.local_addresses.end();
    // On loopback several may run side by side, with a port each.
    const bool is_own_port = network.listen_port(*self) == host.endpoint->port;
    if (!is_own && !address->is_loopback()) continue;
    if (address->is_loopback() && !is_own_port) continue;
    report.error(host, "endpoint",
                 host.endpoint->to_string() + " is an address of this host, " + self->name,
                 "write the address of " + host.name + ", or start with its name as --host");
  }
}

// Two members that nobody can call can only wait for each other.
void check_somebody_can_call(CheckReport& report, const Network& network) {
  std::vector<const NetworkHost*> uncallable;
  for (const NetworkHost* const host : network.hosts_of(HostRole::kMember)) {
    const bool has_line = host->key_lines.contains("endpoint");
    if (!host->endpoint && !has_line) uncallable.push_back(host);
  }
  for (std::size_t i = 1; i < uncallable.size(); ++i) {
    report.warning(*uncallable[i], "endpoint",
                   "is missing here and at " + host_and_line(*uncallable[0]) +
                       ": neither can reach the other first",
                   "give an endpoint to all members but one");
  }
}

}  // namespace

void check_endpoints(CheckReport& report, const Network& network, const CheckContext& context) {
  const std::vector<Prefix> whole = whole_network(network);
  FullNames full_names;
  for (const NetworkHost& host : network.hosts) {
    full_names.insert(lower_case(network.full_name(host)));
  }
  for (const NetworkHost& host : network.hosts) {
    if (!host.endpoint) continue;
    check_reachable(report, full_names, host, whole);
    check_port(report, network, host);
  }
  check_distinct(report, network);
  check_not_own(report, network, context);
  if (network.plan == AddressPlan::kNodeId) check_somebody_can_call(report, network);
}

}  // namespace hawser::network_internal
