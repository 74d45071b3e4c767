#pragma once
// What tests of netlink share: a monitor that remembers, and links to try it on.
#include <gtest/gtest.h>
#include <poll.h>

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/tun/namespace.h"
#include "tun/netlink_monitor.h"
#include "tun/tun_device.h"

namespace hawser::test {

// A monitor, and all that it has told so far.
class Watcher {
 public:
  Watcher(const std::string& interface, int tun_fd) {
    Result<std::unique_ptr<NetlinkMonitor>> opened = NetlinkMonitor::open(interface, tun_fd);
    if (!opened) {
      ADD_FAILURE() << opened.error().message;
      return;
    }
    monitor = std::move(*opened);
    settle();
  }
  // Reads until nothing comes for longer than changes are gathered.
  void settle() {
    pollfd poller{monitor->fd(), POLLIN, 0};
    while (poll(&poller, 1, 150) > 0) read();
  }
  void read() {
    Result<NetlinkChanges> changes = monitor->read();
    if (!changes) {
      ADD_FAILURE() << changes.error().message;
      return;
    }
    if (changes->link) link = *changes->link;
    if (changes->tunnel) {
      tunnel = *changes->tunnel;
      on_tunnel.clear();
      for (const LinkAddress& a : tunnel.addresses) {
        on_tunnel.insert(a.address.to_string() + "/" + std::to_string(a.length));
      }
      rules = tunnel.rules;
    }
    if (changes->routes) {
      ++num_reports;
      if (!changes->routes->is_change) routes.clear();
      num_told += changes->routes->routes.size() + changes->routes->gone_routes.size();
      for (const Prefix& prefix : changes->routes->gone_routes) routes.erase(prefix.to_string());
      for (const Prefix& prefix : changes->routes->routes) routes.insert(prefix.to_string());
      addresses = texts(changes->routes->own_addresses);
      outer = texts(changes->routes->outer_addresses.value_or(changes->routes->own_addresses));
    }
    for (const IpAddress& a : changes->removed_addresses) removed.insert(a.to_string());
  }

  bool leads(const char* prefix, std::uint32_t table = kMainTable) const {
    return tunnel.routes->has_way({*Prefix::parse(prefix), table, {}});
  }
  // Is it there as we would make it?
  bool has(const char* prefix, const char* source) const {
    return tunnel.routes->has({*Prefix::parse(prefix), kMainTable, IpAddress::parse(source)});
  }

  std::unique_ptr<NetlinkMonitor> monitor;
  LinkState link;
  std::set<std::string> routes;
  std::set<std::string> addresses;
  std::set<std::string> removed;
  std::vector<PolicyRule> rules;
  std::set<std::string> outer;  // the addresses that outer packets may come from
  TunnelState tunnel;
  std::set<std::string> on_tunnel;  // its addresses
  int num_reports = 0;
  std::size_t num_told = 0;  // routes

 private:
  static std::set<std::string> texts(const std::vector<IpAddress>& addresses) {
    std::set<std::string> result;
    for (const IpAddress& address : addresses) result.insert(address.to_string());
    return result;
  }
};

inline TunDevice make_tun() {
  Result<TunDevice> device = TunDevice::create("wg0", 1, 1420);
  EXPECT_TRUE(device.ok());
  return std::move(*device);
}

inline void make_veth() {
  EXPECT_TRUE(
      run("ip link add eth0 type veth peer name eth1 && ip link set eth1 up && "
          "ip link set eth0 up && ip address add 192.0.2.1/24 dev eth0 && "
          "ip address add 2001:db8::1/64 dev eth0 nodad"));
}

}  // namespace hawser::test
