#include "tun/namespace_watch.h"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "tun/host_address.h"
#include "tun/netlink_attributes.h"
#include "tun/policy_rule.h"
#include "tun/system_clock.h"

namespace hawser {
namespace {

constexpr std::uint32_t kGroups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
                                  RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE | RTMGRP_IPV4_RULE |
                                  (1U << (RTNLGRP_IPV6_RULE - 1));  // which has no name of its own
constexpr int kDumpTimeShare = 10;

}  // namespace

Status NamespaceWatch::open(const std::string& interface) {
  if (!interface.empty()) {
    ifindex_ = if_nametoindex(interface.c_str());
    if (ifindex_ == 0) return Error{"there is no interface " + interface, ENODEV};
  }
  // Listening comes before asking, so that no change falls between.
  if (Status opened = events_.open(kGroups); !opened) return opened;
  if (Status opened = requests_.open(0); !opened) return opened;
  return dump();
}

Status NamespaceWatch::read() {
  bool overrun = false;
  Status status =
      events_.read_events([this](const nlmsghdr& message) { handle(message); }, overrun);
  stale_ = stale_ || overrun;
  return status;
}

Result<std::optional<Instant>> NamespaceWatch::refresh(Instant now) {
  if (!stale_) return std::optional<Instant>();
  if (now < next_dump_) return std::optional<Instant>(next_dump_);
  if (Status dumped = dump(); !dumped) return dumped.error();
  return std::optional<Instant>();
}

Status NamespaceWatch::dump() {
  const Instant begin = boot_now();
  const std::set<AddressEntry> old_addresses = std::exchange(addresses_, {});
  routes_.clear();
  tunnel_routes_ = std::make_shared<TunnelRouteSet>();
  rules_.clear();
  link_is_up_.clear();
  const NetlinkSocket::Visit visit = [this](const nlmsghdr& message) {
    if (message.nlmsg_type == RTM_NEWROUTE) {
      const std::optional<HostRoute> route = parse_route(message, ifindex_);
      if (route.has_value()) load_route(*route);
    } else {
      handle(message);
    }
  };
  for (const std::uint16_t type : {RTM_GETLINK, RTM_GETADDR, RTM_GETROUTE, RTM_GETRULE}) {
    if (Status dumped = requests_.dump(type, visit); !dumped) return dumped;
  }
  for (const AddressEntry& old : old_addresses) {
    if (!addresses_.contains(old)) remove_address(old);
  }
  if (ifindex_ != 0 && !link_is_up_.contains(ifindex_) && !link_.deleted) {
    link_.deleted = link_changed_ = true;
  }
  stale_ = false;
  addresses_changed_ = tunnel_changed_ = true;
  const Instant end = boot_now();
  next_dump_ = end + kDumpTimeShare * (end - begin);
  return {};
}

void NamespaceWatch::handle(const nlmsghdr& message) {
  switch (message.nlmsg_type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
      return handle_link(message, message.nlmsg_type == RTM_DELLINK);
    case RTM_NEWADDR:
    case RTM_DELADDR:
      return handle_address(message, message.nlmsg_type == RTM_DELADDR);
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
      return handle_route(message, message.nlmsg_type == RTM_DELROUTE);
    case RTM_NEWRULE:
    case RTM_DELRULE:
      return handle_rule(message, message.nlmsg_type == RTM_DELRULE);
    default:
      return;
  }
}

void NamespaceWatch::handle_link(const nlmsghdr& message, bool gone) {
  if (mnl_nlmsg_get_payload_len(&message) < sizeof(ifinfomsg)) return;
  const auto* const header = static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(&message));
  // A bridge tells about its ports in messages of another family, also of those that leave it.
  if (header->ifi_family != AF_UNSPEC) return;
  const auto index = static_cast<std::uint32_t>(header->ifi_index);
  const bool up = !gone && (header->ifi_flags & IFF_UP) != 0;
  // The IPv4 routes over a link that goes down vanish without a word.
  const auto known = link_is_up_.find(index);
  if (known != link_is_up_.end() && known->second && !up) stale_ = true;
  if (gone) {
    link_is_up_.erase(index);
  } else {
    link_is_up_[index] = up;
  }
  if (index != ifindex_) return;
  LinkState state = link_;
  std::string name;
  state.deleted = gone;
  state.up = up;
  for_each_attribute(message, sizeof(ifinfomsg), [&](const nlattr& attribute) {
    if (mnl_attr_get_type(&attribute) == IFLA_MTU) state.mtu = attribute_u32(attribute);
    if (mnl_attr_get_type(&attribute) == IFLA_IFNAME) name = attribute_text(attribute);
  });
  if (!gone && name != link_name_) {
    link_name_ = name;
    tunnel_changed_ = true;
  }
  if (state.deleted == link_.deleted && state.up == link_.up && state.mtu == link_.mtu) return;
  link_ = state;
  link_changed_ = tunnel_changed_ = true;
}

void NamespaceWatch::handle_address(const nlmsghdr& message, bool gone) {
  const std::optional<HostAddress> told = parse_address(message);
  if (!told) return;
  const bool is_tunnels = told->ifindex == ifindex_;
  if (is_tunnels) tunnel_changed_ = true;
  const AddressEntry entry(told->address, told->ifindex, told->length);
  if (!gone) {
    if (addresses_.insert(entry).second) addresses_changed_ = true;
    return;
  }
  if (addresses_.erase(entry) == 0) return;
  addresses_changed_ = true;
  remove_address(entry);
  // IPv4 routes that preferred this source vanish with it, on most kernels without a word.
  if (told->address.family == IpFamily::kV4) {
    stale_ = true;
  } else if (is_tunnels) {
    tunnel_routes_->forget_source(told->address);
  }
}

// `entry` is gone; is its address?
void NamespaceWatch::remove_address(const AddressEntry& entry) {
  const IpAddress& address = std::get<IpAddress>(entry);
  const auto next = addresses_.lower_bound(AddressEntry(address, 0, 0));
  if (next != addresses_.end() && std::get<IpAddress>(*next) == address) return;
  removed_addresses_.push_back(address);
}

void NamespaceWatch::handle_route(const nlmsghdr& message, bool gone) {
  const std::optional<HostRoute> route = parse_route(message, ifindex_);
  if (!route.has_value()) return;
  const bool replaces = (message.nlmsg_flags & NLM_F_REPLACE) != 0;
  const bool differs =
      gone ? tunnel_routes_->remove(*route) : tunnel_routes_->add(*route, replaces);
  tunnel_changed_ = tunnel_changed_ || differs;
  if (!route->is_counted()) return;
  const RouteTable::Change change = gone ? routes_.remove(*route) : routes_.add(*route, replaces);
  if (change == RouteTable::Change::kUnclear) stale_ = true;
}

void NamespaceWatch::handle_rule(const nlmsghdr& message, bool gone) {
  const std::optional<PolicyRule> rule = parse_rule(message);
  if (!rule) return;
  const auto known = std::find(rules_.begin(), rules_.end(), *rule);
  const bool is_known = known != rules_.end();
  if (gone != is_known) return;
  if (gone) {
    rules_.erase(known);
  } else {
    rules_.push_back(*rule);
  }
  tunnel_changed_ = true;
}

void NamespaceWatch::load_route(const HostRoute& route) {
  if (route.is_counted()) routes_.load(route);
  tunnel_routes_->add(route, false);
}

std::optional<TunnelState> NamespaceWatch::take_tunnel_change() {
  if (ifindex_ == 0 || !std::exchange(tunnel_changed_, false)) return std::nullopt;
  TunnelState state;
  state.up = link_.up;
  state.name = link_name_;
  state.ifindex = ifindex_;
  for (const auto& [address, link, length] : addresses_) {
    if (link == ifindex_) state.addresses.push_back({address, length});
  }
  state.routes = tunnel_routes_;
  state.rules = rules_;
  return state;
}

std::optional<LinkState> NamespaceWatch::take_link_change() {
  if (!std::exchange(link_changed_, false)) return std::nullopt;
  return link_;
}

std::vector<IpAddress> NamespaceWatch::take_removed_addresses() {
  return std::exchange(removed_addresses_, {});
}

std::vector<IpAddress> NamespaceWatch::addresses() const {
  std::vector<IpAddress> result;
  for (const AddressEntry& entry : addresses_) {
    const IpAddress& address = std::get<IpAddress>(entry);
    // Equal addresses stand next to each other.
    if (result.empty() || result.back() != address) result.push_back(address);
  }
  return result;
}

HostRoutes NamespaceWatch::take_routes() {
  addresses_changed_ = false;
  HostRoutes result;
  result.own_addresses = addresses();
  for (const auto& [address, link, length] : addresses_) {
    if (ifindex_ != 0 && link == ifindex_) result.tunnel_addresses.push_back(address);
  }
  RouteTable::News news = routes_.take_news();
  result.is_change = !news.all;
  result.routes = std::move(news.there);
  result.gone_routes = std::move(news.gone);
  return result;
}

}  // namespace hawser
