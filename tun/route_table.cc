#include "tun/route_table.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <span>
#include <utility>

#include "tun/netlink_attributes.h"
#include "tun/tunnel_state.h"

namespace hawser {
namespace {

// FNV-1a: only tells routes apart that the kernel made, nobody's input.
class Fingerprint {
 public:
  void add(std::span<const std::uint8_t> bytes) {
    for (const std::uint8_t byte : bytes) value_ = (value_ ^ byte) * 0x100000001b3;
  }
  void add(std::uint32_t number) {
    for (int shift = 0; shift < 32; shift += 8) {
      value_ = (value_ ^ ((number >> shift) & 0xff)) * 0x100000001b3;
    }
  }
  void add(const nlattr& attribute) {
    add(std::uint32_t{mnl_attr_get_type(&attribute)});
    add({static_cast<const std::uint8_t*>(mnl_attr_get_payload(&attribute)),
         mnl_attr_get_payload_len(&attribute)});
  }
  std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 0xcbf29ce484222325;
};

bool is_counted_type(std::uint8_t type) {
  return type == RTN_UNICAST || type == RTN_LOCAL || type == RTN_BLACKHOLE ||
         type == RTN_UNREACHABLE || type == RTN_PROHIBIT;
}

constexpr std::array<std::uint32_t, 3> kCountedTables = {RT_TABLE_LOCAL, RT_TABLE_MAIN,
                                                         RT_TABLE_DEFAULT};

bool is_counted_table(std::uint32_t table) {
  return std::find(kCountedTables.begin(), kCountedTables.end(), table) != kCountedTables.end();
}

// What the next hops of a route have in common.
struct NextHops {
  std::size_t num = 0;
  std::size_t num_into_tun = 0;
  void add(std::uint32_t ifindex, std::uint32_t tun_ifindex) {
    ++num;
    if (ifindex == tun_ifindex) ++num_into_tun;
  }
};

// Of the family that `address` has; false: it is of another length.
bool read_address(IpAddress& address, const nlattr& attribute) {
  if (mnl_attr_get_payload_len(&attribute) != address.size()) return false;
  std::memcpy(address.bytes.data(), mnl_attr_get_payload(&attribute), address.size());
  return true;
}

void read_multipath(NextHops& hops, Fingerprint& fingerprint, const nlattr& attribute,
                    std::uint32_t tun_ifindex) {
  std::span<const std::uint8_t> left(
      static_cast<const std::uint8_t*>(mnl_attr_get_payload(&attribute)),
      mnl_attr_get_payload_len(&attribute));
  rtnexthop hop;
  while (left.size() >= sizeof hop) {
    std::memcpy(&hop, left.data(), sizeof hop);
    if (hop.rtnh_len < sizeof hop || hop.rtnh_len > left.size()) return;
    // Not its flags: they change with the link's state, without notice.
    hops.add(static_cast<std::uint32_t>(hop.rtnh_ifindex), tun_ifindex);
    fingerprint.add(static_cast<std::uint32_t>(hop.rtnh_ifindex));
    fingerprint.add(left.subspan(sizeof hop, hop.rtnh_len - sizeof hop));
    left = left.subspan(std::min<std::size_t>(RTNH_ALIGN(hop.rtnh_len), left.size()));
  }
}

}  // namespace

std::optional<HostRoute> parse_route(const nlmsghdr& message, std::uint32_t tun_ifindex) {
  if (mnl_nlmsg_get_payload_len(&message) < sizeof(rtmsg)) return std::nullopt;
  const auto* const header = static_cast<const rtmsg*>(mnl_nlmsg_get_payload(&message));
  if (header->rtm_family != AF_INET && header->rtm_family != AF_INET6) return std::nullopt;
  if (!is_counted_type(header->rtm_type) || (header->rtm_flags & RTM_F_CLONED) != 0) {
    return std::nullopt;
  }
  IpAddress address;
  address.family = header->rtm_family == AF_INET ? IpFamily::kV4 : IpFamily::kV6;
  if (header->rtm_dst_len > address.bits()) return std::nullopt;
  HostRoute route;
  route.table = header->rtm_table;
  route.is_ours = header->rtm_protocol == kRouteProtocol;
  route.tos = header->rtm_tos;
  NextHops hops;
  Fingerprint fingerprint;
  fingerprint.add(std::uint32_t{header->rtm_type});
  bool is_sound = true;
  for_each_attribute(message, sizeof(rtmsg), [&](const nlattr& attribute) {
    switch (mnl_attr_get_type(&attribute)) {
      case RTA_DST:
        is_sound = read_address(address, attribute);
        break;
      case RTA_PREFSRC: {
        IpAddress source;
        source.family = address.family;
        if (read_address(source, attribute)) route.source = source;
        break;
      }
      case RTA_TABLE:
        route.table = attribute_u32(attribute);
        break;
      case RTA_PRIORITY:
        route.metric = attribute_u32(attribute);
        break;
      case RTA_OIF:
        hops.add(attribute_u32(attribute), tun_ifindex);
        fingerprint.add(attribute);
        break;
      case RTA_GATEWAY:
      case RTA_VIA:
        fingerprint.add(attribute);
        break;
      case RTA_MULTIPATH:
        read_multipath(hops, fingerprint, attribute, tun_ifindex);
        break;
      default:
        break;
    }
  });
  if (!is_sound) return std::nullopt;
  route.prefix = Prefix(address, header->rtm_dst_len);
  route.into_tun = tun_ifindex != 0 && hops.num > 0 && hops.num_into_tun == hops.num;
  route.fingerprint = fingerprint.value();
  return route;
}

bool HostRoute::is_counted() const { return is_counted_table(table); }

std::size_t RouteTable::HashKey::operator()(const Key& key) const noexcept {
  const std::size_t address = std::hash<IpAddress>()(key.prefix.address());
  return (address * 31 + key.prefix.length()) * 31 + key.table;
}

void RouteTable::load(const HostRoute& route) {
  const auto [begin, end] = routes_.equal_range({route.prefix, route.table});
  for (auto entry = begin; entry != end; ++entry) {
    if (entry->second.metric == route.metric && entry->second.tos == route.tos &&
        entry->second.fingerprint == route.fingerprint) {
      return;
    }
  }
  routes_.emplace(Key{route.prefix, route.table},
                  Entry{route.metric, route.tos, route.into_tun, route.fingerprint});
}

RouteTable::Change RouteTable::add(const HostRoute& route, bool replaces) {
  const auto [begin, end] = routes_.equal_range({route.prefix, route.table});
  auto rival = end;
  std::size_t num_rivals = 0;
  for (auto entry = begin; entry != end; ++entry) {
    if (entry->second.metric != route.metric || entry->second.tos != route.tos) continue;
    if (entry->second.fingerprint == route.fingerprint) return Change::kNone;
    rival = entry;
    ++num_rivals;
  }
  const bool is_v6 = route.prefix.address().family == IpFamily::kV6;
  // IPv4 may hold several such routes side by side, of which the first is replaced. IPv6 tells of
  // a next hop that was added with a message about the whole multipath route.
  if (num_rivals > 1 || (num_rivals == 1 && is_v6 && !replaces)) return Change::kUnclear;
  const Entry entry{route.metric, route.tos, route.into_tun, route.fingerprint};
  if (num_rivals == 1 && replaces) {
    const bool same = rival->second.into_tun == route.into_tun;
    rival->second = entry;
    return same ? Change::kNone : note_change(route.prefix);
  }
  routes_.emplace(Key{route.prefix, route.table}, entry);
  return route.into_tun ? Change::kNone : note_change(route.prefix);
}

RouteTable::Change RouteTable::remove(const HostRoute& route) {
  const auto [begin, end] = routes_.equal_range({route.prefix, route.table});
  bool has_rival = false;
  for (auto entry = begin; entry != end; ++entry) {
    if (entry->second.metric != route.metric || entry->second.tos != route.tos) continue;
    if (entry->second.fingerprint != route.fingerprint) {
      has_rival = true;
      continue;
    }
    const bool showed = !entry->second.into_tun;
    routes_.erase(entry);
    return showed ? note_change(route.prefix) : Change::kNone;
  }
  // One hop of a multipath route, or a route whose hops changed without notice.
  return has_rival ? Change::kUnclear : Change::kNone;
}

RouteTable::Change RouteTable::note_change(const Prefix& prefix) {
  if (!all_is_new_) changed_.push_back(prefix);
  return Change::kChanged;
}

void RouteTable::clear() {
  routes_.clear();
  all_is_new_ = true;
  changed_.clear();
}

bool RouteTable::shows(const Prefix& prefix) const {
  return std::any_of(kCountedTables.begin(), kCountedTables.end(), [&](std::uint32_t table) {
    const auto [begin, end] = routes_.equal_range({prefix, table});
    return std::any_of(begin, end, [](const auto& entry) { return !entry.second.into_tun; });
  });
}

RouteTable::News RouteTable::take_news() {
  News news;
  news.all = std::exchange(all_is_new_, false);
  if (news.all) {
    news.there = prefixes();
    return news;
  }
  std::sort(changed_.begin(), changed_.end());
  changed_.erase(std::unique(changed_.begin(), changed_.end()), changed_.end());
  for (const Prefix& prefix : changed_) {
    (shows(prefix) ? news.there : news.gone).push_back(prefix);
  }
  changed_.clear();
  return news;
}

std::vector<Prefix> RouteTable::prefixes() const {
  std::vector<Prefix> result;
  result.reserve(routes_.size());
  for (const auto& [key, entry] : routes_) {
    if (entry.into_tun) continue;
    // Equal keys stand next to each other.
    if (!result.empty() && result.back() == key.prefix) continue;
    result.push_back(key.prefix);
  }
  return result;
}

}  // namespace hawser
