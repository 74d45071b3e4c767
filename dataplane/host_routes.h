#pragma once
#include <vector>

#include "routing/ip_address.h"

namespace hawser {

// HostRoutes is what the host itself has, read through netlink (tun/netlink_monitor.h): the
// addresses of all its interfaces, and the routes that do not lead into our own TUN device.
struct HostRoutes {
  std::vector<IpAddress> own_addresses;
  // Those of them that stand on our TUN interface: ICMP errors come from there.
  std::vector<IpAddress> tunnel_addresses;
  // All of them; or, of a change to what was told before, those that came and those that went.
  // Addresses are told whole every time.
  std::vector<Prefix> routes;
  bool is_change = false;
  std::vector<Prefix> gone_routes;
};

}  // namespace hawser
