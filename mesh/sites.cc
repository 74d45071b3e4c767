#include "mesh/sites.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

namespace hawser::mesh_internal {

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

}  // namespace hawser::mesh_internal
