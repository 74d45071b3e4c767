#include "tun/netlink_monitor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <random>
#include <set>
#include <string>

#include "tests/tun/namespace.h"
#include "tun/netlink_config.h"
#include "tun/route_table.h"
#include "tun/tun_device.h"

namespace hawser::test {
namespace {

using testing::Contains;
using testing::Not;

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

TunDevice make_tun() {
  Result<TunDevice> device = TunDevice::create("wg0", 1, 1420);
  EXPECT_TRUE(device.ok());
  return std::move(*device);
}

void make_veth() {
  EXPECT_TRUE(
      run("ip link add eth0 type veth peer name eth1 && ip link set eth1 up && "
          "ip link set eth0 up && ip address add 192.0.2.1/24 dev eth0 && "
          "ip address add 2001:db8::1/64 dev eth0 nodad"));
}

TEST(NetlinkMonitorTest, FirstReadTellsEverything) {
  in_namespace([] {
    make_veth();
    const TunDevice device = make_tun();
    Watcher watcher("wg0", device.queue(0));
    EXPECT_FALSE(watcher.link.up);
    EXPECT_FALSE(watcher.link.deleted);
    EXPECT_EQ(watcher.link.mtu, 1420U);
    EXPECT_THAT(watcher.addresses,
                testing::IsSupersetOf({"127.0.0.1", "::1", "192.0.2.1", "2001:db8::1"}));
    EXPECT_THAT(watcher.routes,
                testing::IsSupersetOf({"192.0.2.0/24", "2001:db8::/64", "127.0.0.0/8"}));
  });
}

TEST(NetlinkMonitorTest, MtuUpAndDownAreTold) {
  in_namespace([] {
    const TunDevice device = make_tun();
    Watcher watcher("wg0", device.queue(0));
    ASSERT_TRUE(run("ip link set wg0 mtu 1280 up"));
    watcher.settle();
    EXPECT_TRUE(watcher.link.up);
    EXPECT_EQ(watcher.link.mtu, 1280U);
    ASSERT_TRUE(run("ip link set wg0 down"));
    watcher.settle();
    EXPECT_FALSE(watcher.link.up);
    EXPECT_FALSE(watcher.link.deleted);
  });
}

TEST(NetlinkMonitorTest, DeletionIsTold) {
  in_namespace([] {
    const TunDevice device = make_tun();
    Watcher watcher("wg0", device.queue(0));
    ASSERT_TRUE(run("ip link del wg0"));
    watcher.settle();
    EXPECT_TRUE(watcher.link.deleted);
    EXPECT_FALSE(watcher.link.up);
  });
}

TEST(NetlinkMonitorTest, RoutesIntoTheTunDoNotCount) {
  in_namespace([] {
    make_veth();
    const TunDevice device = make_tun();
    Watcher watcher("wg0", device.queue(0));
    ASSERT_TRUE(
        run("ip link set wg0 up && ip address add 10.0.0.1/24 dev wg0 && "
            "ip route add 10.1.0.0/16 dev wg0 && ip -6 route add fd00::/16 dev wg0 && "
            "ip route add default via 192.0.2.254 && "
            "ip route add 10.2.0.0/16 via 192.0.2.254 && "
            "ip route add blackhole 10.3.0.0/16 && "
            "ip -6 route add unreachable fd01::/16 && "
            "ip route add throw 10.4.0.0/16 && "
            "ip route add local 10.5.0.0/16 dev lo && "
            "ip route add 10.6.0.0/16 dev eth0 table 51820 && "
            "ip route add 10.7.0.0/16 nexthop dev wg0 nexthop via 192.0.2.254"));
    watcher.settle();
    EXPECT_THAT(watcher.addresses, Contains("10.0.0.1"));
    EXPECT_THAT(watcher.routes, testing::IsSupersetOf({"0.0.0.0/0", "10.2.0.0/16", "10.3.0.0/16",
                                                       "fd01::/16", "10.5.0.0/16", "10.7.0.0/16"}));
    for (const char* const none :
         {"10.0.0.0/24", "10.1.0.0/16", "fd00::/16", "10.4.0.0/16", "10.6.0.0/16", "10.0.0.1/32"}) {
      EXPECT_THAT(watcher.routes, Not(Contains(none)));
    }
  });
}

TEST(NetlinkMonitorTest, WhatStandsOnTheInterfaceIsFollowed) {
  in_namespace([] {
    make_veth();
    const TunDevice device = make_tun();
    Watcher watcher("wg0", device.queue(0));
    ASSERT_TRUE(
        run("ip link set wg0 up && ip address add 10.0.0.1/24 dev wg0 && "
            "ip address add fd00::1/56 dev wg0"));
    for (const char* const prefix : {"10.5.0.0/16", "fd05::/16"}) {
      ASSERT_TRUE(add_route(link("wg0"), {*Prefix::parse(prefix)}).ok());
      ASSERT_TRUE(add_route(link("wg0"), {*Prefix::parse(prefix), 7200, {}}).ok());
    }
    // The same with another metric.
    ASSERT_TRUE(run("ip route add 10.5.0.0/16 dev wg0 metric 5"));
    watcher.settle();
    EXPECT_THAT(watcher.on_tunnel, testing::IsSupersetOf({"10.0.0.1/24", "fd00::1/56"}));
    for (const char* const prefix : {"10.0.0.0/24", "fd00::/56", "10.5.0.0/16", "fd05::/16"}) {
      EXPECT_TRUE(watcher.leads(prefix)) << prefix;
    }
    EXPECT_TRUE(watcher.leads("10.5.0.0/16", 7200));
    EXPECT_TRUE(watcher.leads("fd05::/16", 7200));
    EXPECT_FALSE(watcher.leads("10.0.0.0/24", 7200));
    EXPECT_FALSE(watcher.leads("10.5.0.0/17"));
    EXPECT_THAT(watcher.routes, Not(Contains("10.5.0.0/16")));

    ASSERT_TRUE(run("ip route del 10.5.0.0/16 dev wg0 metric 5"));
    watcher.settle();
    EXPECT_TRUE(watcher.leads("10.5.0.0/16"));
    ASSERT_TRUE(
        run("ip route replace 10.5.0.0/16 dev eth0 metric 1024 && "
            "ip -6 route del fd05::/16 table 7200"));
    watcher.settle();
    EXPECT_FALSE(watcher.leads("10.5.0.0/16"));
    EXPECT_FALSE(watcher.leads("fd05::/16", 7200));
    EXPECT_TRUE(watcher.leads("10.5.0.0/16", 7200));

    ASSERT_TRUE(run("ip link set wg0 down && ip link set wg0 up"));
    watcher.settle();
    EXPECT_THAT(watcher.on_tunnel, Contains("10.0.0.1/24"));
    EXPECT_THAT(watcher.on_tunnel, Not(Contains("fd00::1/56")));
    EXPECT_FALSE(watcher.leads("fd05::/16"));
    EXPECT_FALSE(watcher.leads("10.5.0.0/16", 7200));
  });
}

// The kernel takes an IPv6 address that goes out of the routes that preferred it, and says nothing.
TEST(NetlinkMonitorTest, SourcesOfOurRoutesAreFollowed) {
  in_namespace([] {
    const TunDevice device = make_tun();
    const Link wg0 = link("wg0");
    const TunnelRoute ours{*Prefix::parse("fd05::/16"), kMainTable, IpAddress::parse("fd00::1")};
    ASSERT_TRUE(set_link_up(wg0).ok());
    ASSERT_TRUE(add_address(wg0, *ours.source, 56).ok());
    ASSERT_TRUE(add_route(wg0, ours).ok());
    ASSERT_TRUE(run("ip -6 route add fd06::/16 dev wg0"));
    Watcher watcher("wg0", device.queue(0));
    EXPECT_TRUE(watcher.has("fd05::/16", "fd00::1"));
    EXPECT_FALSE(watcher.has("fd05::/16", "fd00::2"));
    EXPECT_TRUE(watcher.has("fd06::/16", "fd00::1")) << "others may prefer what they like";

    ASSERT_TRUE(run("ip addr del fd00::1/56 dev wg0 && ip addr add fd00::1/56 dev wg0 nodad"));
    if (run("ip -6 route show fd05::/16 | grep src")) GTEST_SKIP() << "this kernel does not";
    watcher.settle();
    EXPECT_TRUE(watcher.leads("fd05::/16"));
    EXPECT_FALSE(watcher.has("fd05::/16", "fd00::1"));
    // Who adds it anew means the source, too.
    ASSERT_TRUE(add_route(wg0, ours).ok());
    EXPECT_TRUE(run("ip -6 route show fd05::/16 | grep 'src fd00::1'"));
    watcher.settle();
    EXPECT_TRUE(watcher.has("fd05::/16", "fd00::1"));
    // A dump shows the same.
    EXPECT_TRUE(Watcher("wg0", device.queue(0)).has("fd05::/16", "fd00::1"));
    ASSERT_TRUE(run("ip -6 route replace fd05::/16 dev wg0 metric 1024 proto 72"));
    watcher.settle();
    EXPECT_FALSE(watcher.has("fd05::/16", "fd00::1"));
  });
}

void add_many(const std::string& how, int num) {
  FILE* const batch = popen("ip -batch - >/dev/null 2>&1", "w");
  ASSERT_NE(batch, nullptr);
  for (int i = 0; i < num; ++i) {
    std::fprintf(batch, "route add 10.%d.%d.%d/32 %s\n", 100 + i / 65536, i / 256 % 256, i % 256,
                 how.c_str());
  }
  EXPECT_EQ(pclose(batch), 0);
}

// Of twenty thousand; the kernel adds some for link-local addresses when it likes.
constexpr std::size_t kFew = 20;

// What is told of a change does not grow with the table, however often, in any order.
TEST(NetlinkMonitorTest, OfAFullTableOnlyWhatChangesIsTold) {
  in_namespace([] {
    make_veth();
    const TunDevice device = make_tun();
    ASSERT_TRUE(run("ip link set wg0 up"));
    constexpr std::size_t kNum = 20000;
    add_many("via 192.0.2.254", kNum);
    Watcher watcher("wg0", device.queue(0));
    EXPECT_GE(watcher.num_told, kNum);
    watcher.num_told = 0;
    ASSERT_TRUE(run("ip route del 10.100.3.3/32"));
    watcher.settle();
    ASSERT_TRUE(run("ip route add 10.2.0.0/16 via 192.0.2.254"));
    watcher.settle();
    EXPECT_GE(watcher.num_told, 2U);
    EXPECT_LT(watcher.num_told, kFew);
    EXPECT_THAT(watcher.routes, Not(Contains("10.100.3.3/32")));
    EXPECT_THAT(watcher.routes, Contains("10.2.0.0/16"));
    // In another table as well, and with another metric: it stays as it is.
    ASSERT_TRUE(
        run("ip route add 10.100.4.4/32 via 192.0.2.253 metric 9 && ip route del 10.100.4.4/32 "
            "metric 0; ip route del 10.100.5.5/32 && ip route add 10.100.5.5/32 via 192.0.2.253"));
    watcher.settle();
    EXPECT_THAT(watcher.routes, Contains("10.100.4.4/32"));
    EXPECT_THAT(watcher.routes, Contains("10.100.5.5/32"));
    EXPECT_LT(watcher.num_told, 2 * kFew);
  });
}

// Routes into the tunnel are no routes of the host's, and nobody is given a list of them.
TEST(NetlinkMonitorTest, AFullTableThroughTheTunIsNotTold) {
  in_namespace([] {
    const TunDevice device = make_tun();
    ASSERT_TRUE(run("ip link set wg0 up"));
    Watcher watcher("wg0", device.queue(0));
    watcher.num_told = 0;
    add_many("dev wg0", 20000);
    watcher.settle();
    EXPECT_LT(watcher.num_told, kFew);
    EXPECT_TRUE(watcher.leads("10.100.3.3/32"));
    ASSERT_TRUE(run("ip route del 10.100.3.3/32"));
    watcher.settle();
    EXPECT_FALSE(watcher.leads("10.100.3.3/32"));
    EXPECT_TRUE(watcher.leads("10.100.3.4/32"));
    EXPECT_LT(watcher.num_told, kFew);
  });
}

TEST(NetlinkMonitorTest, OurRulesAreFollowedAndWhatAKilledDaemonLeftIsRemoved) {
  in_namespace([] {
    make_veth();
    const TunDevice device = make_tun();
    ASSERT_TRUE(set_link_up(link("wg0")).ok());
    std::vector<PolicyRule> ours;
    for (const IpFamily family : {IpFamily::kV4, IpFamily::kV6}) {
      ours.push_back({family, 7200, kMainTable, {}, true});
      ours.push_back({family, 7201, 7200, 0x7200, false});
    }
    for (const PolicyRule& rule : ours) {
      const Status added = add_rule(rule);
      ASSERT_TRUE(added.ok()) << added.error().message;
      EXPECT_TRUE(add_rule(rule).ok());  // again is no error, and makes no second one
    }
    Watcher watcher("wg0", device.queue(0));
    EXPECT_THAT(watcher.rules, testing::UnorderedElementsAreArray(ours));
    EXPECT_TRUE(run("test $(ip rule show | grep -c '^720[01]:') = 2"));
    EXPECT_TRUE(run("ip rule show | grep -q '^7201:.*not from all fwmark 0x7200 lookup 7200'"));
    EXPECT_TRUE(run("ip -6 rule show | grep -q '^7200:.*lookup main suppress_prefixlength 0'"));

    ASSERT_TRUE(run("ip rule del priority 7201 && ip rule add priority 9 lookup 9"));
    watcher.settle();
    EXPECT_EQ(watcher.rules.size(), 3U);
    EXPECT_TRUE(remove_rule(ours[1]).ok());  // that is not there
    EXPECT_TRUE(remove_rule(ours[0]).ok());
    watcher.settle();
    EXPECT_EQ(watcher.rules.size(), 2U);

    // Somebody's exit is in use for one family; then it is not.
    ASSERT_TRUE(run("ip -6 route add ::/0 dev eth0 table 7200"));
    ASSERT_TRUE(add_rule(ours[1]).ok());
    EXPECT_TRUE(remove_stale_rules().ok());
    watcher.settle();
    EXPECT_THAT(watcher.rules, testing::UnorderedElementsAre(ours[2], ours[3]));
    EXPECT_FALSE(*has_rule_of_others(0x7200));
    ASSERT_TRUE(run("ip -6 route del ::/0 dev eth0 table 7200"));
    EXPECT_TRUE(remove_stale_rules().ok());
    watcher.settle();
    EXPECT_TRUE(watcher.rules.empty());
    EXPECT_TRUE(run("ip rule show | grep -q '^9:'"));
  });
}

TEST(NetlinkMonitorTest, RouteChangesAreFollowed) {
  in_namespace([] {
    make_veth();
    const TunDevice device = make_tun();
    ASSERT_TRUE(run("ip link set wg0 up"));
    Watcher watcher("wg0", device.queue(0));
    ASSERT_TRUE(run("ip route add 10.2.0.0/16 via 192.0.2.254"));
    watcher.settle();
    EXPECT_THAT(watcher.routes, Contains("10.2.0.0/16"));
    // Two of them: one goes, the other stays.
    ASSERT_TRUE(
        run("ip route add 10.2.0.0/16 via 192.0.2.253 metric 7 && "
            "ip route del 10.2.0.0/16 via 192.0.2.254"));
    watcher.settle();
    EXPECT_THAT(watcher.routes, Contains("10.2.0.0/16"));
    ASSERT_TRUE(run("ip route replace 10.2.0.0/16 dev wg0 metric 7"));
    watcher.settle();
    EXPECT_THAT(watcher.routes, Not(Contains("10.2.0.0/16")));
    ASSERT_TRUE(run("ip route replace 10.2.0.0/16 via 192.0.2.254 metric 7"));
    watcher.settle();
    EXPECT_THAT(watcher.routes, Contains("10.2.0.0/16"));
    ASSERT_TRUE(run("ip route del 10.2.0.0/16 metric 7"));
    watcher.settle();
    EXPECT_THAT(watcher.routes, Not(Contains("10.2.0.0/16")));
  });
}

TEST(NetlinkMonitorTest, Ipv6MultipathIsFollowedHopByHop) {
  in_namespace([] {
    make_veth();
    const TunDevice device = make_tun();
    Watcher watcher("wg0", device.queue(0));
    ASSERT_TRUE(
        run("ip -6 route add fd05::/32 via 2001:db8::2 && "
            "ip -6 route append fd05::/32 via 2001:db8::3 && "
            "ip -6 route del fd05::/32 via 2001:db8::2"));
    watcher.settle();
    EXPECT_THAT(watcher.routes, Contains("fd05::/32"));
    ASSERT_TRUE(run("ip -6 route del fd05::/32 via 2001:db8::3"));
    watcher.settle();
    EXPECT_THAT(watcher.routes, Not(Contains("fd05::/32")));
  });
}

TEST(NetlinkMonitorTest, RoutesOfALinkThatGoesDownAreGone) {
  in_namespace([] {
    make_veth();
    const TunDevice device = make_tun();
    ASSERT_TRUE(run("ip route add 10.2.0.0/16 via 192.0.2.254"));
    Watcher watcher("wg0", device.queue(0));
    EXPECT_THAT(watcher.routes, Contains("10.2.0.0/16"));
    ASSERT_TRUE(run("ip link set eth0 down"));
    watcher.settle();
    EXPECT_THAT(watcher.routes, Not(Contains("10.2.0.0/16")));
    EXPECT_THAT(watcher.routes, Not(Contains("192.0.2.0/24")));
  });
}

TEST(NetlinkMonitorTest, RemovedAddressesAreToldWhenTheLastOfThemGoes) {
  in_namespace([] {
    make_veth();
    ASSERT_TRUE(run("ip address add 192.0.2.1/32 dev lo"));
    Watcher watcher("", -1);
    ASSERT_TRUE(run("ip address del 192.0.2.1/24 dev eth0"));
    watcher.settle();
    EXPECT_THAT(watcher.removed, Not(Contains("192.0.2.1")));
    ASSERT_TRUE(
        run("ip address del 192.0.2.1/32 dev lo && ip address del 2001:db8::1/64 dev eth0"));
    watcher.settle();
    EXPECT_THAT(watcher.removed, testing::IsSupersetOf({"192.0.2.1", "2001:db8::1"}));
    EXPECT_THAT(watcher.addresses, Not(Contains("192.0.2.1")));
  });
}

// Runs `body` with the name of a second namespace for `ip link set … netns`: a child's pid.
void with_other_namespace(const std::function<void(const std::string&)>& body) {
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    if (unshare(CLONE_NEWNET) != 0 || write(ready[1], "x", 1) != 1) _exit(1);
    pause();
    _exit(0);
  }
  char byte = 0;
  EXPECT_EQ(read(ready[0], &byte, 1), 1);
  body(std::to_string(child));
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  close(ready[0]);
  close(ready[1]);
}

TEST(NetlinkMonitorTest, InterfaceIsFollowedIntoAnotherNamespaceAndBack) {
  in_namespace([] {
    make_veth();
    const TunDevice device = make_tun();
    const std::string home = std::to_string(gettid());
    with_other_namespace([&](const std::string& other) {
      const std::string there = "nsenter -t " + other + " -n ";
      Watcher watcher("wg0", device.queue(0));
      EXPECT_THAT(watcher.addresses, Contains("192.0.2.1"));
      EXPECT_EQ(watcher.tunnel.place, TunnelState::Place::kHome);
      ASSERT_TRUE(run("ip link set wg0 netns " + other));
      watcher.settle();
      EXPECT_FALSE(watcher.link.deleted);
      EXPECT_EQ(watcher.tunnel.place, TunnelState::Place::kMoved);
      EXPECT_THAT(watcher.addresses, Not(Contains("192.0.2.1")));
      ASSERT_TRUE(run(there + "ip link set wg0 mtu 1300 up"));
      ASSERT_TRUE(run(there + "ip address add 10.77.0.1/24 dev wg0"));
      ASSERT_TRUE(run(there + "ip route add blackhole 10.78.0.0/16"));
      watcher.settle();
      EXPECT_TRUE(watcher.link.up);
      EXPECT_EQ(watcher.link.mtu, 1300U);
      EXPECT_THAT(watcher.addresses, Contains("10.77.0.1"));
      EXPECT_THAT(watcher.routes, Contains("10.78.0.0/16"));
      EXPECT_THAT(watcher.routes, Not(Contains("10.77.0.0/24")));
      // The UDP sockets' addresses are still those of the first namespace.
      EXPECT_THAT(watcher.outer, Contains("192.0.2.1"));
      EXPECT_THAT(watcher.outer, Not(Contains("10.77.0.1")));
      ASSERT_TRUE(
          run("ip address add 192.0.2.9/32 dev eth0 && ip address del 192.0.2.1/24 dev eth0"));
      watcher.settle();
      EXPECT_THAT(watcher.removed, Contains("192.0.2.1"));
      EXPECT_THAT(watcher.outer, Contains("192.0.2.9"));
      EXPECT_THAT(watcher.outer, Not(Contains("192.0.2.1")));
      EXPECT_THAT(watcher.addresses, Not(Contains("192.0.2.9")));
      // It may also be followed by one who comes later.
      Watcher late("wg0", device.queue(0));
      EXPECT_EQ(late.link.mtu, 1300U);
      EXPECT_THAT(late.addresses, Contains("10.77.0.1"));

      ASSERT_TRUE(run(there + "ip link set wg0 netns " + home));
      watcher.settle();
      EXPECT_FALSE(watcher.link.deleted);
      EXPECT_FALSE(watcher.link.up);  // a move takes it down
      EXPECT_EQ(watcher.tunnel.place, TunnelState::Place::kHome);
      EXPECT_THAT(watcher.addresses, Contains("2001:db8::1"));
      EXPECT_THAT(watcher.outer, Contains("192.0.2.9"));
      ASSERT_TRUE(run("ip link set wg0 up"));
      watcher.settle();
      EXPECT_TRUE(watcher.link.up);
      ASSERT_TRUE(run("ip link set wg0 netns " + other));
      watcher.settle();
      ASSERT_TRUE(run(there + "ip link del wg0"));
      watcher.settle();
      EXPECT_TRUE(watcher.link.deleted);
    });
  });
}

TEST(NetlinkMonitorTest, ARenamedInterfaceIsToldOf) {
  in_namespace([] {
    const TunDevice device = make_tun();
    Watcher watcher("wg0", device.queue(0));
    ASSERT_TRUE(run("ip link set wg0 name wg9"));
    watcher.settle();
    EXPECT_EQ(watcher.tunnel.place, TunnelState::Place::kRenamed);
    EXPECT_EQ(watcher.tunnel.name, "wg9");
    ASSERT_TRUE(run("ip link set wg9 name wg0"));
    watcher.settle();
    EXPECT_EQ(watcher.tunnel.place, TunnelState::Place::kHome);
  });
}

TEST(NetlinkMonitorTest, OverrunIsAnsweredByADump) {
  in_namespace([] {
    make_veth();
    const TunDevice device = make_tun();
    Watcher watcher("wg0", device.queue(0));
    // More messages than the socket's buffer holds, unread.
    constexpr int kNum = 40000;
    add_many("via 192.0.2.254", kNum);
    watcher.settle();
    EXPECT_GE(watcher.routes.size(), static_cast<std::size_t>(kNum));
    EXPECT_THAT(watcher.routes, Contains("10.100.0.0/32"));
    EXPECT_THAT(watcher.routes, Contains("10.100.156.63/32"));
  });
}

TEST(NetlinkMonitorTest, BurstsAreGathered) {
  in_namespace([] {
    make_veth();
    Watcher watcher("", -1);
    const int before = watcher.num_reports;
    FILE* const batch = popen("ip -batch - >/dev/null 2>&1", "w");
    ASSERT_NE(batch, nullptr);
    for (int i = 0; i < 2000; ++i) {
      std::fprintf(batch, "route add 10.1.%d.%d/32 via 192.0.2.254\n", i / 256, i % 256);
      if (i % 20 != 0) continue;
      std::fflush(batch);
      watcher.read();
    }
    pclose(batch);
    watcher.settle();
    EXPECT_THAT(watcher.routes, Contains("10.1.7.207/32"));
    EXPECT_LE(watcher.num_reports - before, 50);
  });
}

TEST(NetlinkMonitorTest, ClosingLeavesNoDescriptor) {
  in_namespace([] {
    const TunDevice device = make_tun();
    const std::size_t before = num_open_fds();
    { Watcher watcher("wg0", device.queue(0)); }
    EXPECT_EQ(num_open_fds(), before);
  });
}

TEST(NetlinkMonitorTest, MissingInterfaceIsAnError) {
  in_namespace([] {
    const TunDevice device = make_tun();
    ASSERT_TRUE(run("ip link del wg0"));
    EXPECT_FALSE(NetlinkMonitor::open("wg0", device.queue(0)).ok());
  });
}

TEST(NetlinkConfigTest, AddressAndRouteAreAddedOnceAndConflictsAreErrors) {
  in_namespace([] {
    const TunDevice device = make_tun();
    make_veth();
    for (int i = 0; i < 2; ++i) {
      EXPECT_TRUE(set_link_up(link("wg0")).ok());
      EXPECT_TRUE(add_address(link("wg0"), *IpAddress::parse("10.0.0.1"), 24).ok());
      EXPECT_TRUE(add_address(link("wg0"), *IpAddress::parse("fd00::1"), 64).ok());
      const Status v4 = add_route(link("wg0"), {*Prefix::parse("10.5.0.0/16")});
      EXPECT_TRUE(v4.ok()) << v4.error().message;
      const Status v6 = add_route(link("wg0"), {*Prefix::parse("fd05::/16")});
      EXPECT_TRUE(v6.ok()) << v6.error().message;
    }
    EXPECT_TRUE(run("ip route get 10.5.1.1 | grep -q 'dev wg0'"));
    EXPECT_TRUE(run("ip -6 route get fd05::9 | grep -q 'dev wg0'"));
    ASSERT_TRUE(run("ip route add 10.6.0.0/16 dev eth0"));
    EXPECT_TRUE(add_route(link("wg0"), {*Prefix::parse("10.6.0.0/16")}).ok());
    EXPECT_TRUE(run("ip route get 10.6.1.1 | grep -q 'dev eth0'")) << "the host's own goes before";
    EXPECT_TRUE(remove_route(link("wg0"), {*Prefix::parse("10.6.0.0/16")}).ok());
    EXPECT_TRUE(run("ip route show 10.6.0.0/16 | grep -q 'dev eth0'")) << "ours alone was removed";
    ASSERT_TRUE(run("ip route add 10.7.0.0/16 dev eth0 metric 1024"));
    const Status taken = add_route(link("wg0"), {*Prefix::parse("10.7.0.0/16")});
    EXPECT_EQ(taken.error().code, EEXIST);
    EXPECT_NE(taken.error().message.find("ip route show 10.7.0.0/16"), std::string::npos);
    EXPECT_EQ(find_link("none").error().code, ENODEV);
    EXPECT_EQ(set_link_up({99, "none"}).error().code, ENODEV);
    EXPECT_EQ(add_address({99, "none"}, *IpAddress::parse("10.0.0.1"), 24).error().code, ENODEV);
    EXPECT_EQ(add_route({99, "none"}, {*Prefix::parse("10.8.0.0/16")}).error().code, ENODEV);
  });
}

TEST(NetlinkConfigTest, AnIpv6AddressWithAnotherLengthTakesItsOwnPlace) {
  in_namespace([] {
    const TunDevice device = make_tun();
    const Link wg0 = link("wg0");
    const IpAddress own = *IpAddress::parse("fd00::1");
    ASSERT_TRUE(run("ip addr add fd00::1/128 dev wg0 && ip addr add fd00::2/128 dev wg0"));
    EXPECT_TRUE(add_address(wg0, own, 56).ok());
    EXPECT_TRUE(run("ip addr show wg0 | grep fd00::1/56"));
    EXPECT_FALSE(run("ip addr show wg0 | grep fd00::1/128"));
    EXPECT_TRUE(run("ip addr show wg0 | grep fd00::2/128"));
    // IPv4 has both.
    ASSERT_TRUE(run("ip addr add 10.0.0.1/32 dev wg0"));
    for (int i = 0; i < 2; ++i)
      EXPECT_TRUE(add_address(wg0, *IpAddress::parse("10.0.0.1"), 24).ok());
    EXPECT_TRUE(run("ip addr show wg0 | grep 10.0.0.1/24"));
    EXPECT_TRUE(run("ip addr show wg0 | grep 10.0.0.1/32"));
    // On another link it is another one.
    ASSERT_TRUE(run("ip addr add fd00::3/128 dev lo"));
    EXPECT_TRUE(add_address(wg0, *IpAddress::parse("fd00::3"), 56).ok());
    EXPECT_TRUE(run("ip addr show lo | grep fd00::3/128"));
    EXPECT_TRUE(run("ip addr show wg0 | grep fd00::3/56"));
  });
}

TEST(NetlinkConfigTest, ARenamedLinkIsStillTheSame) {
  in_namespace([] {
    const TunDevice device = make_tun();
    const Link wg0 = link("wg0");
    ASSERT_TRUE(run("ip link set wg0 name wg9 && ip link add wg0 type veth peer name wg1"));
    EXPECT_TRUE(add_address(wg0, *IpAddress::parse("10.0.0.1"), 24).ok());
    EXPECT_TRUE(run("ip addr show wg9 | grep 10.0.0.1/24"));
    EXPECT_FALSE(run("ip addr show wg0 | grep 10.0.0.1/24"));
  });
}

HostRoute route(const char* prefix, std::uint64_t fingerprint, bool into_tun = false) {
  HostRoute result;
  result.prefix = *Prefix::parse(prefix);
  result.table = 254;
  result.fingerprint = fingerprint;
  result.into_tun = into_tun;
  return result;
}

TEST(RouteTableTest, SaysWhenAChangeLeavesItUncertain) {
  using Change = RouteTable::Change;
  RouteTable table;
  EXPECT_EQ(table.add(route("10.0.0.0/8", 1), false), Change::kChanged);
  EXPECT_EQ(table.add(route("10.0.0.0/8", 1), false), Change::kNone);
  EXPECT_EQ(table.add(route("10.0.0.0/8", 2, true), true), Change::kChanged);
  EXPECT_TRUE(table.prefixes().empty());
  EXPECT_EQ(table.add(route("10.0.0.0/8", 3), false), Change::kChanged);  // beside it
  EXPECT_EQ(table.add(route("10.0.0.0/8", 4), true), Change::kUnclear);
  EXPECT_EQ(table.remove(route("10.0.0.0/8", 9)), Change::kUnclear);
  EXPECT_EQ(table.remove(route("10.0.0.0/8", 3)), Change::kChanged);
  EXPECT_EQ(table.remove(route("10.0.0.0/8", 2)), Change::kNone);
  EXPECT_EQ(table.remove(route("10.0.0.0/8", 2)), Change::kNone);
  EXPECT_EQ(table.size(), 0U);
  EXPECT_EQ(table.add(route("fd00::/8", 1), false), Change::kChanged);
  EXPECT_EQ(table.add(route("fd00::/8", 2), false), Change::kUnclear);
}

// News are what prefixes() shows now; put together they are what it shows.
TEST(RouteTableTest, NewsAddUpToAllOfIt) {
  std::mt19937 random(5);
  const auto below = [&](std::uint32_t end) { return static_cast<std::uint32_t>(random() % end); };
  RouteTable table;
  std::set<Prefix> told;
  for (int round = 0; round < 2000; ++round) {
    if (below(500) == 0) table.clear();
    for (std::uint32_t i = below(4); i > 0; --i) {
      HostRoute one =
          route(("10." + std::to_string(below(5)) + ".0.0/16").c_str(), below(2), below(3) == 0);
      one.metric = below(2);
      one.table = 253 + below(3);
      if (below(2) == 0) {
        table.add(one, below(2) == 0);
      } else {
        table.remove(one);
      }
    }
    const RouteTable::News news = table.take_news();
    EXPECT_FALSE(table.has_news());
    if (news.all) told.clear();
    for (const Prefix& prefix : news.gone) told.erase(prefix);
    told.insert(news.there.begin(), news.there.end());
    const std::vector<Prefix> shown = table.prefixes();
    ASSERT_EQ(told, std::set<Prefix>(shown.begin(), shown.end())) << round;
  }
}

}  // namespace
}  // namespace hawser::test
