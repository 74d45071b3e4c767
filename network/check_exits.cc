#include <algorithm>
#include <array>
#include <map>

#include "network/check_parts.h"
#include "network/nearest_name.h"

namespace hawser::network_internal {
namespace {

constexpr std::array<IpFamily, 2> kFamilies = {IpFamily::kV4, IpFamily::kV6};

std::string_view exit_prefix(IpFamily family) {
  return family == IpFamily::kV4 ? "0.0.0.0/0" : "::/0";
}

const LinedPrefix* offer(const NetworkHost& host, IpFamily family) {
  const auto found =
      std::find_if(host.allowed_ips.begin(), host.allowed_ips.end(), [&](const LinedPrefix& extra) {
        return extra.is_exit() && extra.prefix.address().family == family;
      });
  return found == host.allowed_ips.end() ? nullptr : &*found;
}

bool offers_any(const NetworkHost& host) {
  return std::any_of(host.allowed_ips.begin(), host.allowed_ips.end(),
                     [](const LinedPrefix& extra) { return extra.is_exit(); });
}

void check_choice(CheckReport& report, const Network& network, const NetworkHost& host) {
  const NetworkHost* const exit = network.exit_of(host);
  if (exit == nullptr) {
    report.error(host, "use_exit", "\"" + host.use_exit + "\" is not a host of this network",
                 suggest_name(host.use_exit, network.host_names()));
  } else if (exit == &host) {
    report.error(
        host, "use_exit", "is the host itself",
        "name the host through which " + host.name + " reaches the internet, or remove it");
  } else if (!offers_any(*exit)) {
    report.error(host, "use_exit", host_and_line(*exit) + " offers no exit",
                 "write allowed_ips = [\"0.0.0.0/0\", \"::/0\"] in its entry, or name a host that "
                 "has it");
  }
}

// What the exit offers and this host has no address to use it with goes its usual way.
void check_family(CheckReport& report, const Network& network, const NetworkHost& host,
                  IpFamily family) {
  const NetworkHost* const exit = network.exit_of(host);
  if (exit == nullptr || offer(*exit, family) == nullptr || network.takes_exit(host, family)) {
    return;
  }
  const bool is_v4 = family == IpFamily::kV4;
  const bool could_have_v4 = is_v4 && network.plan == AddressPlan::kControllersAndPeers;
  report.warning(host, "use_exit",
                 std::string(is_v4 ? "IPv4" : "IPv6") + " does not go through " + exit->name +
                     ": hosts have no such address in this network",
                 could_have_v4 ? "write ipv4 = \"10.60.0.0/16\" in [network]"
                               : "remove " + std::string(exit_prefix(family)) + " from " +
                                     exit->name + "'s allowed_ips unless that is wanted");
}

// A controller relays by destination: it cannot send the packets of one host to one exit and those
// of another to another.
void check_one_exit(CheckReport& report, const Network& network, IpFamily family) {
  const NetworkHost* first = nullptr;
  for (const NetworkHost& host : network.hosts) {
    const NetworkHost* const exit = network.exit_of(host);
    if (exit == nullptr || exit == &host || offer(*exit, family) == nullptr) continue;
    if (!network.takes_exit(host, family)) continue;
    if (first == nullptr) first = &host;
    if (network.exit_of(*first) == exit) continue;
    const auto [later, earlier] = later_and_earlier(host, *first);
    report.error(*later, "use_exit",
                 "is another exit than that of " + host_and_line(*earlier) + ", " +
                     earlier->use_exit + ": controllers can relay " +
                     std::string(exit_prefix(family)) + " to one host only",
                 "let all hosts take the same exit, or choose plan = \"full-mesh\"");
    return;
  }
}

void check_unused(CheckReport& report, const Network& network, const NetworkHost& host) {
  const bool is_used =
      std::any_of(network.hosts.begin(), network.hosts.end(),
                  [&](const NetworkHost& other) { return other.use_exit == host.name; });
  if (is_used) return;
  for (const LinedPrefix& extra : host.allowed_ips) {
    if (!extra.is_exit()) continue;
    report.add({Severity::kWarning, extra.line, host.path("allowed_ips"),
                extra.prefix.to_string() + " offers an exit, and no host takes it",
                "write use_exit = \"" + host.name + "\" in the entry of each host that is to"});
  }
}

}  // namespace

void check_exits(CheckReport& report, const Network& network) {
  for (const NetworkHost& host : network.hosts) {
    check_unused(report, network, host);
    if (host.use_exit.empty()) continue;
    check_choice(report, network, host);
    for (const IpFamily family : kFamilies) check_family(report, network, host, family);
  }
  if (network.plan != AddressPlan::kControllersAndPeers) return;
  for (const IpFamily family : kFamilies) check_one_exit(report, network, family);
}

}  // namespace hawser::network_internal
