#include "network/sites.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

namespace hawser::network_internal {

bool Site::has(const NetworkHost& host) const {
  return std::find(hosts.begin(), hosts.end(), &host) != hosts.end();
}

std::vector<Site> sites_of(const Network& network) {
  std::vector<Site> sites;
  std::map<Prefix, std::size_t> known;
  for (const NetworkHost& host : network.hosts) {
    for (const LinedPrefix& behind : host.allowed_ips) {
      const auto [at, is_new] = known.try_emplace(behind.prefix, sites.size());
      if (is_new) sites.push_back({behind.prefix, {}});
      sites[at->second].hosts.push_back(&host);
    }
  }
  const auto rank = [&](const NetworkHost* host) {
    const auto named = std::find(network.site_order.begin(), network.site_order.end(), host->name);
    return std::pair(named - network.site_order.begin(), std::string_view(host->name));
  };
  for (Site& site : sites) {
    std::sort(site.hosts.begin(), site.hosts.end(),
              [&](const NetworkHost* a, const NetworkHost* b) { return rank(a) < rank(b); });
  }
  return sites;
}

bool takes_exit(const Network& network, const NetworkHost& host, const NetworkHost& owner,
                const Prefix& prefix) {
  return &host != &owner && network.exit_of(host) == &owner &&
         network.takes_exit(host, prefix.address().family);
}

std::vector<Site> sites_for(const Network& network, const NetworkHost& self) {
  std::vector<Site> sites = sites_of(network);
  const auto has_use = [&](const NetworkHost& owner, const Prefix& prefix) {
    if (takes_exit(network, self, owner, prefix)) return true;
    return self.role == HostRole::kController &&
           std::any_of(network.hosts.begin(), network.hosts.end(), [&](const NetworkHost& host) {
             return takes_exit(network, host, owner, prefix);
           });
  };
  for (Site& site : sites) {
    if (!site.is_exit()) continue;
    std::erase_if(site.hosts,
                  [&](const NetworkHost* owner) { return !has_use(*owner, site.prefix); });
  }
  std::erase_if(sites, [](const Site& site) { return site.hosts.empty(); });
  return sites;
}

}  // namespace hawser::network_internal
