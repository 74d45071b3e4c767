#include "dataplane/host_route_table.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace hawser {
namespace {

HostRouteTable::Mark own_address_mark{.own_address = true};
HostRouteTable::Mark route_mark{.own_address = false};

std::vector<Prefix> sorted(std::vector<Prefix> prefixes) {
  std::sort(prefixes.begin(), prefixes.end());
  prefixes.erase(std::unique(prefixes.begin(), prefixes.end()), prefixes.end());
  return prefixes;
}

// All routes that there are now, of which `present` were there before.
std::vector<Prefix> wanted_routes(const HostRoutes& told, const std::vector<Prefix>& present) {
  if (!told.is_change) return sorted(told.routes);
  const std::vector<Prefix> came = sorted(told.routes);
  const std::vector<Prefix> gone = sorted(told.gone_routes);
  std::vector<Prefix> left;
  left.reserve(present.size());
  std::set_difference(present.begin(), present.end(), gone.begin(), gone.end(),
                      std::back_inserter(left));
  std::vector<Prefix> all;
  all.reserve(left.size() + came.size());
  std::set_union(left.begin(), left.end(), came.begin(), came.end(), std::back_inserter(all));
  return all;
}

}  // namespace

std::size_t HostRouteTable::set(const HostRoutes& routes, const std::vector<IpAddress>& given) {
  const std::lock_guard lock(mutex_);
  Prefixes wanted = wanted_routes(routes, routes_);
  Prefixes own;
  for (const auto* addresses : {&routes.own_addresses, &given}) {
    for (const IpAddress& address : *addresses) own.emplace_back(address, address.bits());
  }
  own = sorted(std::move(own));
  Prefixes changed;
  std::set_symmetric_difference(wanted.begin(), wanted.end(), routes_.begin(), routes_.end(),
                                std::back_inserter(changed));
  std::set_symmetric_difference(own.begin(), own.end(), own_addresses_.begin(),
                                own_addresses_.end(), std::back_inserter(changed));
  routes_ = std::move(wanted);
  own_addresses_ = std::move(own);
  write(changed);
  return changed.size();
}

// An address of ours stands as a route of the host's as well; it is an address then.
void HostRouteTable::write(const Prefixes& changed) {
  const auto stands_in = [](const Prefixes& all, const Prefix& prefix) {
    return std::binary_search(all.begin(), all.end(), prefix);
  };
  PrefixMap<Mark>::Edit edit(table_);
  for (const Prefix& prefix : changed) {
    if (stands_in(own_addresses_, prefix)) {
      edit.insert(prefix, &own_address_mark);
    } else if (stands_in(routes_, prefix)) {
      edit.insert(prefix, &route_mark);
    } else {
      edit.remove(prefix);
    }
  }
  edit.commit();
}

}  // namespace hawser
