#pragma once
// Networks behind hosts: whom a prefix in allowed_ips leads to. Internal to network/.
#include <cstddef>
#include <vector>

#include "network/network.h"
#include "routing/ip_address.h"

namespace hawser::network_internal {

// In front of one prefix stand a handful of gateways; lists of peers are searched for each packet.
inline constexpr std::size_t kMaxSiteHosts = 16;

// Site is a prefix and the hosts in front of it, in the order in which they carry it: the first
// that is alive does. Those that [network]'s site_order names come first, as it has them; the
// others follow by name.
struct Site {
  Prefix prefix;
  std::vector<const NetworkHost*> hosts;  // at least one

  bool has(const NetworkHost& host) const;
  bool is_shared() const { return hosts.size() > 1; }
  // Of length 0: no network, but what each host may send to through the one whose exit it takes.
  bool is_exit() const { return prefix.length() == 0; }
};

// Each prefix once, in the order of the hosts and of their allowed_ips.
std::vector<Site> sites_of(const Network& network);
// The same as `self` has to do with them: of exits, only the one that it takes, or relays to for
// those who take it.
std::vector<Site> sites_for(const Network& network, const NetworkHost& self);

// Does `host` send through the exit that `owner` offers with `prefix`?
bool takes_exit(const Network& network, const NetworkHost& host, const NetworkHost& owner,
                const Prefix& prefix);

}  // namespace hawser::network_internal
