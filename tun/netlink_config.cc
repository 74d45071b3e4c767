#include "tun/netlink_config.h"

#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <set>
#include <vector>

#include "tun/errno_error.h"
#include "tun/host_address.h"
#include "tun/netlink_socket.h"
#include "tun/policy_rule.h"
#include "tun/route_table.h"

namespace hawser {
namespace {

// One request, built in place.
class LinkRequest {
 public:
  LinkRequest(std::uint16_t type, std::uint16_t flags)
      : header_(mnl_nlmsg_put_header(space_.data())) {
    header_->nlmsg_type = type;
    header_->nlmsg_flags = flags;
  }
  template <class T>
  void put(const T& body) {
    std::memcpy(mnl_nlmsg_put_extra_header(header_, sizeof body), &body, sizeof body);
  }
  void put(std::uint16_t type, const IpAddress& address) {
    mnl_attr_put(header_, type, address.size(), address.bytes.data());
  }
  void put(std::uint16_t type, std::uint32_t number) { mnl_attr_put_u32(header_, type, number); }
  void put(std::uint16_t type, std::uint8_t number) { mnl_attr_put_u8(header_, type, number); }
  // `inside` puts the attributes that stand in one of `type`.
  template <class Inside>
  void nest(std::uint16_t type, const Inside& inside) {
    nlattr* const outer = mnl_attr_nest_start(header_, type);
    inside();
    mnl_attr_nest_end(header_, outer);
  }
  Status send() {
    NetlinkSocket socket;
    if (Status opened = socket.open(0); !opened) return opened;
    return socket.change(*header_);
  }

 private:
  alignas(nlmsghdr) std::array<std::uint8_t, 512> space_{};
  nlmsghdr* header_;
};

Error refused(const std::string& what, const Error& reason) {
  Error error = errno_error(what, reason.code);
  if (reason.code == EPERM) error.message += "; it needs CAP_NET_ADMIN";
  return error;
}

std::string with_length(const IpAddress& address, unsigned length) {
  return address.to_string() + "/" + std::to_string(length);
}

std::uint8_t af_of(IpFamily family) { return family == IpFamily::kV4 ? AF_INET : AF_INET6; }

// The route over `link` that stands where `wanted` would, with any source.
std::optional<HostRoute> find_route(const Link& link, const TunnelRoute& wanted) {
  NetlinkSocket socket;
  if (!socket.open(0)) return std::nullopt;
  std::optional<HostRoute> found;
  const Status dumped = socket.dump(RTM_GETROUTE, [&](const nlmsghdr& message) {
    const std::optional<HostRoute> route = parse_route(message, link.index);
    if (!route || !route->into_tun || route->prefix != wanted.prefix ||
        route->table != wanted.table) {
      return;
    }
    if (!found || route->is_ours) found = route;
  });
  return dumped.ok() ? found : std::nullopt;
}

// The length with which `address` stands on `link`.
std::optional<unsigned> find_length(const Link& link, const IpAddress& address) {
  NetlinkSocket socket;
  if (!socket.open(0)) return std::nullopt;
  std::optional<unsigned> found;
  const Status dumped = socket.dump(RTM_GETADDR, [&](const nlmsghdr& message) {
    const std::optional<HostAddress> other = parse_address(message);
    if (other && other->ifindex == link.index && other->address == address) found = other->length;
  });
  return dumped.ok() ? found : std::nullopt;
}

// Sends what `fill` puts into a request about the link itself.
template <class Fill>
Status change_link(const Link& link, const std::string& failed, const Fill& fill) {
  LinkRequest request(RTM_NEWLINK, 0);
  ifinfomsg body{};
  body.ifi_index = static_cast<int>(link.index);
  fill(request, body);
  const Status sent = request.send();
  if (sent) return {};
  return refused(failed, sent.error());
}

Status change_address(std::uint16_t type, std::uint16_t flags, const Link& link,
                      const IpAddress& address, unsigned length) {
  LinkRequest request(type, flags);
  ifaddrmsg body{};
  body.ifa_family = af_of(address.family);
  body.ifa_prefixlen = static_cast<std::uint8_t>(length);
  body.ifa_index = link.index;
  // A tunnel has no link to detect duplicates on.
  if (address.family == IpFamily::kV6) body.ifa_flags = IFA_F_NODAD;
  request.put(body);
  request.put(IFA_LOCAL, address);
  request.put(IFA_ADDRESS, address);
  return request.send();
}

Status create_address(const Link& link, const IpAddress& address, unsigned length) {
  return change_address(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, link, address, length);
}

// There is no request that changes the length of an IPv6 address. Back to what was, if it fails.
Status exchange_length(const Link& link, const IpAddress& address, unsigned from, unsigned to) {
  if (Status removed = change_address(RTM_DELADDR, 0, link, address, from); !removed) {
    return removed;
  }
  Status created = create_address(link, address, to);
  if (!created) (void)create_address(link, address, from);
  return created;
}

Status change_route(std::uint16_t type, std::uint16_t flags, const Link& link,
                    const TunnelRoute& route) {
  LinkRequest request(type, flags);
  const IpAddress& destination = route.prefix.address();
  rtmsg body{};
  body.rtm_family = af_of(destination.family);
  body.rtm_dst_len = static_cast<std::uint8_t>(route.prefix.length());
  body.rtm_protocol = kRouteProtocol;
  body.rtm_scope = destination.family == IpFamily::kV4 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  body.rtm_type = RTN_UNICAST;
  request.put(body);
  request.put(RTA_DST, destination);
  request.put(RTA_OIF, link.index);
  request.put(RTA_PRIORITY, kRouteMetric);
  request.put(RTA_TABLE, route.table);
  if (route.source) request.put(RTA_PREFSRC, *route.source);
  return request.send();
}

Status change_rule(std::uint16_t type, std::uint16_t flags, const PolicyRule& rule) {
  LinkRequest request(type, flags);
  fib_rule_hdr body{};
  body.family = af_of(rule.family);
  body.action = FR_ACT_TO_TBL;
  if (rule.unless_mark) body.flags = FIB_RULE_INVERT;
  request.put(body);
  request.put(FRA_PRIORITY, rule.priority);
  request.put(FRA_TABLE, rule.table);
  request.put(FRA_PROTOCOL, kRouteProtocol);
  if (rule.unless_mark) {
    request.put(FRA_FWMARK, *rule.unless_mark);
    request.put(FRA_FWMASK, ~std::uint32_t{0});
  }
  if (rule.ignores_default) request.put(FRA_SUPPRESS_PREFIXLEN, std::uint32_t{0});
  return request.send();
}

std::string rule_text(const PolicyRule& rule) {
  return "rule " + std::to_string(rule.priority) + " to table " + std::to_string(rule.table);
}

}  // namespace

Result<Link> find_link(const std::string& name) {
  const std::uint32_t index = if_nametoindex(name.c_str());
  if (index == 0) return Error{"there is no interface " + name, ENODEV};
  return Link{index, name};
}

Status set_link_up(const Link& link) {
  return change_link(link, "cannot bring up " + link.name,
                     [](LinkRequest& request, ifinfomsg& body) {
                       body.ifi_flags = body.ifi_change = IFF_UP;
                       request.put(body);
                     });
}

Status set_no_link_local(const Link& link) {
  return change_link(link, "cannot keep " + link.name + " from a link-local address",
                     [](LinkRequest& request, const ifinfomsg& body) {
                       request.put(body);
                       request.nest(IFLA_AF_SPEC, [&] {
                         request.nest(AF_INET6, [&] {
                           request.put(IFLA_INET6_ADDR_GEN_MODE,
                                       std::uint8_t{IN6_ADDR_GEN_MODE_NONE});
                         });
                       });
                     });
}

Status set_link_mtu(const Link& link, std::uint32_t mtu) {
  return change_link(link, "cannot set MTU " + std::to_string(mtu) + " of " + link.name,
                     [&](LinkRequest& request, const ifinfomsg& body) {
                       request.put(body);
                       request.put(IFLA_MTU, mtu);
                     });
}

Status add_address(const Link& link, const IpAddress& address, unsigned length) {
  Status sent = create_address(link, address, length);
  if (!sent && sent.error().code == EEXIST) {
    // IPv4 means the same length by it.
    const std::optional<unsigned> present =
        address.family == IpFamily::kV6 ? find_length(link, address) : length;
    if (!present || *present == length) return {};
    sent = exchange_length(link, address, *present, length);
  }
  if (sent) return {};
  Error error = refused("cannot add address " + with_length(address, length) + " to " + link.name,
                        sent.error());
  if (sent.error().code == EACCES && address.family == IpFamily::kV6) {
    error.message +=
        "; IPv6 is switched off here, run: sysctl net.ipv6.conf.default.disable_ipv6=0";
  }
  return error;
}

Status remove_address(const Link& link, const IpAddress& address, unsigned length) {
  const Status sent = change_address(RTM_DELADDR, 0, link, address, length);
  if (sent.ok() || sent.error().code == EADDRNOTAVAIL) return {};
  return refused("cannot remove address " + with_length(address, length) + " from " + link.name,
                 sent.error());
}

Status add_route(const Link& link, const TunnelRoute& route) {
  const Status sent = change_route(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, link, route);
  if (sent.ok()) return {};
  const std::optional<HostRoute> present =
      sent.error().code == EEXIST ? find_route(link, route) : std::nullopt;
  if (present && present->is_ours && present->source != route.source) {
    return replace_route(link, route);
  }
  if (present) return {};
  const std::string prefix = route.prefix.to_string();
  Error error = refused("cannot add route " + prefix + " over " + link.name, sent.error());
  if (error.code == EEXIST) {
    error.message += "; it leads elsewhere already, see: ip route show " + prefix;
    if (route.table != kMainTable) error.message += " table " + std::to_string(route.table);
  }
  return error;
}

Status replace_route(const Link& link, const TunnelRoute& route) {
  const Status sent = change_route(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, link, route);
  if (sent.ok()) return {};
  return refused("cannot change route " + route.prefix.to_string() + " over " + link.name,
                 sent.error());
}

Status remove_route(const Link& link, const TunnelRoute& route) {
  const Status sent = change_route(RTM_DELROUTE, 0, link, {route.prefix, route.table, {}});
  if (sent.ok() || sent.error().code == ESRCH) return {};
  return refused("cannot remove route " + route.prefix.to_string() + " over " + link.name,
                 sent.error());
}

Status add_rule(const PolicyRule& rule) {
  const Status sent = change_rule(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, rule);
  if (sent.ok() || sent.error().code == EEXIST) return {};
  return refused("cannot add " + rule_text(rule), sent.error());
}

Status remove_rule(const PolicyRule& rule) {
  const Status sent = change_rule(RTM_DELRULE, 0, rule);
  if (sent.ok() || sent.error().code == ENOENT || sent.error().code == EAFNOSUPPORT) return {};
  return refused("cannot remove " + rule_text(rule), sent.error());
}

Status remove_stale_rules() {
  NetlinkSocket socket;
  if (Status opened = socket.open(0); !opened) return opened;
  std::vector<PolicyRule> rules;
  Status listed = socket.dump(RTM_GETRULE, [&](const nlmsghdr& message) {
    if (const auto rule = parse_rule(message)) rules.push_back(*rule);
  });
  if (!listed || rules.empty()) return listed;
  std::set<IpFamily> in_use;
  Status dumped = socket.dump(RTM_GETROUTE, [&](const nlmsghdr& message) {
    const std::optional<HostRoute> route = parse_route(message, 0);
    if (!route || route->is_counted()) return;
    const IpFamily family = route->prefix.address().family;
    const bool is_led_to = std::any_of(rules.begin(), rules.end(), [&](const PolicyRule& rule) {
      return rule.family == family && rule.table == route->table;
    });
    if (is_led_to) in_use.insert(family);
  });
  if (!dumped) return dumped;
  for (const PolicyRule& rule : rules) {
    if (in_use.contains(rule.family)) continue;
    if (Status removed = remove_rule(rule); !removed) return removed;
  }
  return {};
}

Result<bool> has_rule_of_others(std::uint32_t mark) {
  NetlinkSocket socket;
  if (Status opened = socket.open(0); !opened) return opened.error();
  bool found = false;
  const Status listed = socket.dump(RTM_GETRULE, [&](const nlmsghdr& message) {
    const auto rule = parse_rule_of_others(message);
    found = found || (rule && rule->unless_mark == mark && rule->table == mark);
  });
  if (!listed) return listed.error();
  return found;
}

}  // namespace hawser
