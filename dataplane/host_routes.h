#pragma once
#include <optional>
#include <vector>

#include "routing/ip_address.h"

namespace hawser {

// HostRoutes is what the host itself has, read through netlink (tun/netlink_monitor.h): the
// addresses of all its interfaces, and the routes that do not lead into our own TUN device.
struct HostRoutes {
  std::vector<IpAddress> own_addresses;
  // Those of them that stand on our TUN interface: ICMP errors come from there.
  std::vector<IpAddress> tunnel_addresses;
  // Those that our outer packets may come from, where the TUN interface is in another network
  // namespace than the UDP sockets; nullopt: own_addresses.
  std::optional<std::vector<IpAddress>> outer_addresses;
  // All of them; or, of a change to what was told before, those that are there and those that are
  // not, known or new. Addresses are told whole every time.
  std::vector<Prefix> routes;
  bool is_change = false;
  std::vector<Prefix> gone_routes;
};

}  // namespace hawser
