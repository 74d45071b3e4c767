#include "tun/host_address.h"

#include <linux/if_addr.h>
#include <sys/socket.h>

#include <cstring>

#include "tun/netlink_attributes.h"

namespace hawser {

std::optional<HostAddress> parse_address(const nlmsghdr& message) {
  if (mnl_nlmsg_get_payload_len(&message) < sizeof(ifaddrmsg)) return std::nullopt;
  const auto* const header = static_cast<const ifaddrmsg*>(mnl_nlmsg_get_payload(&message));
  if (header->ifa_family != AF_INET && header->ifa_family != AF_INET6) return std::nullopt;
  IpAddress address;
  address.family = header->ifa_family == AF_INET ? IpFamily::kV4 : IpFamily::kV6;
  bool found = false;
  bool is_local = false;
  for_each_attribute(message, sizeof(ifaddrmsg), [&](const nlattr& attribute) {
    const std::uint16_t type = mnl_attr_get_type(&attribute);
    // On a point-to-point link IFA_ADDRESS is the other side's.
    if (type != IFA_LOCAL && (type != IFA_ADDRESS || is_local)) return;
    if (mnl_attr_get_payload_len(&attribute) != address.size()) return;
    std::memcpy(address.bytes.data(), mnl_attr_get_payload(&attribute), address.size());
    found = true;
    is_local = type == IFA_LOCAL;
  });
  if (!found) return std::nullopt;
  return HostAddress{address, header->ifa_index, header->ifa_prefixlen};
}

}  // namespace hawser
