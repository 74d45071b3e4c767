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
#include <set>
#include <vector>

#include "tun/errno_error.h"
#include "tun/netlink_socket.h"
#include "tun/policy_rule.h"
#include "tun/route_table.h"

namespace hawser {
namespace {

// One request, built in place.
class Request {
 public:
  Request(std::uint16_t type, std::uint16_t flags) : header_(mnl_nlmsg_put_header(space_.data())) {
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

Result<std::uint32_t> index_of(const std::string& interface) {
  const std::uint32_t index = if_nametoindex(interface.c_str());
  if (index == 0) return Error{"there is no interface " + interface, ENODEV};
  return index;
}

Error refused(const std::string& what, const Error& reason) {
  Error error = errno_error(what, reason.code);
  if (reason.code == EPERM) error.message += "; it needs CAP_NET_ADMIN";
  return error;
}

std::string with_length(const IpAddress& address, unsigned length) {
  return address.to_string() + "/" + std::to_string(length);
}

std::uint8_t af_of(IpFamily family) { return family == IpFamily::kV4 ? AF_INET : AF_INET6; }

// Is `route` there over `ifindex`, with any source?
bool has_route(std::uint32_t ifindex, const TunnelRoute& wanted) {
  NetlinkSocket socket;
  if (!socket.open(0)) return false;
  bool found = false;
  const Status dumped = socket.dump(RTM_GETROUTE, [&](const nlmsghdr& message) {
    const std::optional<HostRoute> route = parse_route(message, ifindex);
    found = found || (route.has_value() && route->into_tun && route->prefix == wanted.prefix &&
                      route->table == wanted.table);
  });
  return dumped.ok() && found;
}

Status change_address(std::uint16_t type, std::uint16_t flags, std::uint32_t ifindex,
                      const IpAddress& address, unsigned length) {
  Request request(type, flags);
  ifaddrmsg body{};
  body.ifa_family = af_of(address.family);
  body.ifa_prefixlen = static_cast<std::uint8_t>(length);
  body.ifa_index = ifindex;
  // A tunnel has no link to detect duplicates on.
  if (address.family == IpFamily::kV6) body.ifa_flags = IFA_F_NODAD;
  request.put(body);
  request.put(IFA_LOCAL, address);
  request.put(IFA_ADDRESS, address);
  return request.send();
}

Status change_route(std::uint16_t type, std::uint16_t flags, std::uint32_t ifindex,
                    const TunnelRoute& route) {
  Request request(type, flags);
  const IpAddress& destination = route.prefix.address();
  rtmsg body{};
  body.rtm_family = af_of(destination.family);
  body.rtm_dst_len = static_cast<std::uint8_t>(route.prefix.length());
  body.rtm_protocol = kRouteProtocol;
  body.rtm_scope = destination.family == IpFamily::kV4 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  body.rtm_type = RTN_UNICAST;
  request.put(body);
  request.put(RTA_DST, destination);
  request.put(RTA_OIF, ifindex);
  request.put(RTA_PRIORITY, kRouteMetric);
  request.put(RTA_TABLE, route.table);
  if (route.source) request.put(RTA_PREFSRC, *route.source);
  return request.send();
}

Status change_rule(std::uint16_t type, std::uint16_t flags, const PolicyRule& rule) {
  Request request(type, flags);
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

Status set_link_up(const std::string& interface) {
  const Result<std::uint32_t> index = index_of(interface);
  if (!index) return index.error();
  Request request(RTM_NEWLINK, 0);
  ifinfomsg link{};
  link.ifi_index = static_cast<int>(*index);
  link.ifi_flags = IFF_UP;
  link.ifi_change = IFF_UP;
  request.put(link);
  const Status sent = request.send();
  if (!sent) return refused("cannot bring up " + interface, sent.error());
  return {};
}

Status set_no_link_local(const std::string& interface) {
  const Result<std::uint32_t> index = index_of(interface);
  if (!index) return index.error();
  Request request(RTM_NEWLINK, 0);
  ifinfomsg link{};
  link.ifi_index = static_cast<int>(*index);
  request.put(link);
  request.nest(IFLA_AF_SPEC, [&] {
    request.nest(AF_INET6, [&] {
      request.put(IFLA_INET6_ADDR_GEN_MODE, std::uint8_t{IN6_ADDR_GEN_MODE_NONE});
    });
  });
  const Status sent = request.send();
  if (sent) return {};
  return refused("cannot keep " + interface + " from a link-local address", sent.error());
}

Status set_link_mtu(const std::string& interface, std::uint32_t mtu) {
  const Result<std::uint32_t> index = index_of(interface);
  if (!index) return index.error();
  Request request(RTM_NEWLINK, 0);
  ifinfomsg link{};
  link.ifi_index = static_cast<int>(*index);
  request.put(link);
  request.put(IFLA_MTU, mtu);
  const Status sent = request.send();
  if (!sent)
    return refused("cannot set MTU " + std::to_string(mtu) + " of " + interface, sent.error());
  return {};
}

Status add_address(const std::string& interface, const IpAddress& address, unsigned length) {
  const Result<std::uint32_t> index = index_of(interface);
  if (!index) return index.error();
  const Status sent =
      change_address(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, *index, address, length);
  if (sent.ok() || sent.error().code == EEXIST) return {};
  Error error = refused("cannot add address " + with_length(address, length) + " to " + interface,
                        sent.error());
  if (sent.error().code == EACCES && address.family == IpFamily::kV6) {
    error.message +=
        "; IPv6 is switched off here, run: sysctl net.ipv6.conf.default.disable_ipv6=0";
  }
  return error;
}

Status remove_address(const std::string& interface, const IpAddress& address, unsigned length) {
  const Result<std::uint32_t> index = index_of(interface);
  if (!index) return index.error();
  const Status sent = change_address(RTM_DELADDR, 0, *index, address, length);
  if (sent.ok() || sent.error().code == EADDRNOTAVAIL) return {};
  return refused("cannot remove address " + with_length(address, length) + " from " + interface,
                 sent.error());
}

Status add_route(const std::string& interface, const TunnelRoute& route) {
  const Result<std::uint32_t> index = index_of(interface);
  if (!index) return index.error();
  const Status sent = change_route(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, *index, route);
  if (sent.ok()) return {};
  if (sent.error().code == EEXIST && has_route(*index, route)) return {};
  const std::string prefix = route.prefix.to_string();
  Error error = refused("cannot add route " + prefix + " over " + interface, sent.error());
  if (error.code == EEXIST) {
    error.message += "; it leads elsewhere already, see: ip route show " + prefix;
    if (route.table != kMainTable) error.message += " table " + std::to_string(route.table);
  }
  return error;
}

Status replace_route(const std::string& interface, const TunnelRoute& route) {
  const Result<std::uint32_t> index = index_of(interface);
  if (!index) return index.error();
  const Status sent = change_route(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, *index, route);
  if (sent.ok()) return {};
  return refused("cannot change route " + route.prefix.to_string() + " over " + interface,
                 sent.error());
}

Status remove_route(const std::string& interface, const TunnelRoute& route) {
  const Result<std::uint32_t> index = index_of(interface);
  if (!index) return index.error();
  const Status sent = change_route(RTM_DELROUTE, 0, *index, {route.prefix, route.table, {}});
  if (sent.ok() || sent.error().code == ESRCH) return {};
  return refused("cannot remove route " + route.prefix.to_string() + " over " + interface,
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
