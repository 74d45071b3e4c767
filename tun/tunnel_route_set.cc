#include "tun/tunnel_route_set.h"

#include <algorithm>
#include <functional>

namespace hawser {

std::size_t TunnelRouteSet::HashWay::operator()(const Way& way) const noexcept {
  const auto& [table, prefix] = way;
  return (std::hash<IpAddress>()(prefix.address()) * 31 + prefix.length()) * 31 + table;
}

bool TunnelRouteSet::add(const HostRoute& route, bool replaces) {
  const OwnKey key(route.table, route.prefix, route.metric);
  bool differs = false;
  if (replaces && !(route.into_tun && !route.is_ours)) differs = remove_other(route);
  if (replaces && !(route.into_tun && route.is_ours)) differs = ours_.erase(key) != 0 || differs;
  if (!route.into_tun) return differs;
  if (route.is_ours) {
    const auto [place, came] = ours_.try_emplace(key, route.source);
    if (!came && place->second == route.source) return differs;
    place->second = route.source;
    return true;
  }
  const auto [begin, end] = others_.equal_range({route.table, route.prefix});
  const bool known =
      std::any_of(begin, end, [&](const auto& other) { return other.second == route.metric; });
  if (known) return differs;
  others_.emplace(Way{route.table, route.prefix}, route.metric);
  return true;
}

bool TunnelRouteSet::remove(const HostRoute& route) {
  if (!route.into_tun) return false;
  if (!route.is_ours) return remove_other(route);
  return ours_.erase({route.table, route.prefix, route.metric}) != 0;
}

bool TunnelRouteSet::remove_other(const HostRoute& route) {
  const auto [begin, end] = others_.equal_range({route.table, route.prefix});
  const auto found =
      std::find_if(begin, end, [&](const auto& other) { return other.second == route.metric; });
  if (found == end) return false;
  others_.erase(found);
  return true;
}

bool TunnelRouteSet::forget_source(const IpAddress& source) {
  bool differs = false;
  for (auto& [key, preferred] : ours_) {
    if (preferred != source) continue;
    preferred.reset();
    differs = true;
  }
  return differs;
}

bool TunnelRouteSet::has_way(const TunnelRoute& way) const {
  if (others_.contains({way.table, way.prefix})) return true;
  const auto ours = ours_.lower_bound({way.table, way.prefix, 0});
  return ours != ours_.end() && std::get<0>(ours->first) == way.table &&
         std::get<1>(ours->first) == way.prefix;
}

bool TunnelRouteSet::has(const TunnelRoute& route) const {
  if (others_.contains({route.table, route.prefix})) return true;
  for (auto ours = ours_.lower_bound({route.table, route.prefix, 0});
       ours != ours_.end() && std::get<0>(ours->first) == route.table &&
       std::get<1>(ours->first) == route.prefix;
       ++ours) {
    if (ours->second == route.source) return true;
  }
  return false;
}

}  // namespace hawser
