#include "tun/netlink_config.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "tun/errno_error.h"
#include "tun/netlink_socket.h"
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

std::uint8_t af_of(IpFamily family) { return family == IpFamily::kV4 ? AF_INET : AF_INET6; }

// Does the main table send `prefix` out of `ifindex`?
bool has_route(std::uint32_t ifindex, const Prefix& prefix) {
  NetlinkSocket socket;
  if (!socket.open(0)) return false;
  bool found = false;
  const Status dumped = socket.dump(RTM_GETROUTE, [&](const nlmsghdr& message) {
    const std::optional<HostRoute> route = parse_route(message, ifindex);
    found = found || (route.has_value() && route->into_tun && route->prefix == prefix &&
                      route->table == RT_TABLE_MAIN);
  });
  return dumped.ok() && found;
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

Status add_address(const std::string& interface, const IpAddress& address, unsigned length) {
  const Result<std::uint32_t> index = index_of(interface);
  if (!index) return index.error();
  Request request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
  ifaddrmsg body{};
  body.ifa_family = af_of(address.family);
  body.ifa_prefixlen = static_cast<std::uint8_t>(length);
  body.ifa_index = *index;
  // A tunnel has no link to detect duplicates on.
  if (address.family == IpFamily::kV6) body.ifa_flags = IFA_F_NODAD;
  request.put(body);
  request.put(IFA_LOCAL, address);
  request.put(IFA_ADDRESS, address);
  const Status sent = request.send();
  if (sent.ok() || sent.error().code == EEXIST) return {};
  return refused("cannot add address " + address.to_string() + "/" + std::to_string(length) +
                     " to " + interface,
                 sent.error());
}

Status add_route(const std::string& interface, const Prefix& prefix) {
  const Result<std::uint32_t> index = index_of(interface);
  if (!index) return index.error();
  Request request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
  rtmsg body{};
  body.rtm_family = af_of(prefix.address().family);
  body.rtm_dst_len = static_cast<std::uint8_t>(prefix.length());
  body.rtm_table = RT_TABLE_MAIN;
  body.rtm_protocol = RTPROT_BOOT;
  body.rtm_scope = prefix.address().family == IpFamily::kV4 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  body.rtm_type = RTN_UNICAST;
  request.put(body);
  request.put(RTA_DST, prefix.address());
  request.put(RTA_OIF, *index);
  const Status sent = request.send();
  if (sent.ok()) return {};
  if (sent.error().code == EEXIST && has_route(*index, prefix)) return {};
  return refused("cannot add route " + prefix.to_string() + " over " + interface, sent.error());
}

}  // namespace hawser
