#include "tun/netlink_monitor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <functional>
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
      tunnel.clear();
      for (const LinkAddress& a : changes->tunnel->addresses) {
        tunnel.insert(a.address.to_string() + "/" + std::to_string(a.length));
      }
      for (const TunnelRoute& r : changes->tunnel->routes) {
        tunnel.insert(r.prefix.to_string() + " table " + std::to_string(r.table));
      }
      rules = changes->tunnel->rules;
    }
    if (changes->routes) {
      ++num_reports;
      routes.clear();
      for (const Prefix& prefix : changes->routes->routes) routes.insert(prefix.to_string());
      addresses.clear();
      for (const IpAddress& a : changes->routes->own_addresses) addresses.insert(a.to_string());
    }
    for (const IpAddress& a : changes->removed_addresses) removed.insert(a.to_string());
  }

  std::unique_ptr<NetlinkMonitor> monitor;
  LinkState link;
  std::set<std::string> routes;
  std::set<std::string> addresses;
  std::set<std::string> removed;
  std::vector<PolicyRule> rules;
  std::set<std::string> tunnel;  // what stands on the interface, and what leads into it
  int num_reports = 0;
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
      ASSERT_TRUE(add_route("wg0", {*Prefix::parse(prefix)}).ok());
      ASSERT_TRUE(add_route("wg0", {*Prefix::parse(prefix), 7200, {}}).ok());
    }
    // The same with another metric.
    ASSERT_TRUE(run("ip route add 10.5.0.0/16 dev wg0 metric 5"));
    watcher.settle();
    EXPECT_THAT(watcher.tunnel,
                testing::IsSupersetOf({"10.0.0.1/24", "fd00::1/56", "10.0.0.0/24 table 254",
                                       "fd00::/56 table 254", "10.5.0.0/16 table 254",
                                       "fd05::/16 table 254", "10.5.0.0/16 table 7200",
                                       "fd05::/16 table 7200"}));
    EXPECT_THAT(watcher.routes, Not(Contains("10.5.0.0/16")));

    ASSERT_TRUE(run("ip route del 10.5.0.0/16 dev wg0 metric 5"));
    watcher.settle();
    EXPECT_THAT(watcher.tunnel, Contains("10.5.0.0/16 table 254"));
    ASSERT_TRUE(
        run("ip route replace 10.5.0.0/16 dev eth0 metric 1024 && "
            "ip -6 route del fd05::/16 table 7200"));
    watcher.settle();
    EXPECT_THAT(watcher.tunnel, Not(Contains("10.5.0.0/16 table 254")));
    EXPECT_THAT(watcher.tunnel, Not(Contains("fd05::/16 table 7200")));
    EXPECT_THAT(watcher.tunnel, Contains("10.5.0.0/16 table 7200"));

    ASSERT_TRUE(run("ip link set wg0 down && ip link set wg0 up"));
    watcher.settle();
    EXPECT_THAT(watcher.tunnel, Contains("10.0.0.1/24"));
    for (const char* const gone : {"fd00::1/56", "fd05::/16 table 254", "10.5.0.0/16 table 7200"}) {
      EXPECT_THAT(watcher.tunnel, Not(Contains(gone)));
    }
  });
}

TEST(NetlinkMonitorTest, OurRulesAreFollowedAndWhatAKilledDaemonLeftIsRemoved) {
  in_namespace([] {
    make_veth();
    const TunDevice device = make_tun();
    ASSERT_TRUE(set_link_up("wg0").ok());
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
      ASSERT_TRUE(run("ip link set wg0 netns " + other));
      watcher.settle();
      EXPECT_FALSE(watcher.link.deleted);
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
      ASSERT_TRUE(run("ip address del 192.0.2.1/24 dev eth0"));
      watcher.settle();
      EXPECT_THAT(watcher.removed, Contains("192.0.2.1"));
      // It may also be followed by one who comes later.
      Watcher late("wg0", device.queue(0));
      EXPECT_EQ(late.link.mtu, 1300U);
      EXPECT_THAT(late.addresses, Contains("10.77.0.1"));

      ASSERT_TRUE(run(there + "ip link set wg0 netns " + home));
      watcher.settle();
      EXPECT_FALSE(watcher.link.deleted);
      EXPECT_FALSE(watcher.link.up);  // a move takes it down
      EXPECT_THAT(watcher.addresses, Contains("2001:db8::1"));
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

TEST(NetlinkMonitorTest, OverrunIsAnsweredByADump) {
  in_namespace([] {
    make_veth();
    const TunDevice device = make_tun();
    Watcher watcher("wg0", device.queue(0));
    // More messages than the socket's buffer holds, unread.
    FILE* const batch = popen("ip -batch - >/dev/null 2>&1", "w");
    ASSERT_NE(batch, nullptr);
    constexpr int kNum = 40000;
    for (int i = 0; i < kNum; ++i) {
      std::fprintf(batch, "route add 10.%d.%d.%d/32 via 192.0.2.254\n", 100 + i / 65536,
                   i / 256 % 256, i % 256);
    }
    EXPECT_EQ(pclose(batch), 0);
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
      EXPECT_TRUE(set_link_up("wg0").ok());
      EXPECT_TRUE(add_address("wg0", *IpAddress::parse("10.0.0.1"), 24).ok());
      EXPECT_TRUE(add_address("wg0", *IpAddress::parse("fd00::1"), 64).ok());
      const Status v4 = add_route("wg0", {*Prefix::parse("10.5.0.0/16")});
      EXPECT_TRUE(v4.ok()) << v4.error().message;
      const Status v6 = add_route("wg0", {*Prefix::parse("fd05::/16")});
      EXPECT_TRUE(v6.ok()) << v6.error().message;
    }
    EXPECT_TRUE(run("ip route get 10.5.1.1 | grep -q 'dev wg0'"));
    EXPECT_TRUE(run("ip -6 route get fd05::9 | grep -q 'dev wg0'"));
    ASSERT_TRUE(run("ip route add 10.6.0.0/16 dev eth0"));
    EXPECT_TRUE(add_route("wg0", {*Prefix::parse("10.6.0.0/16")}).ok());
    EXPECT_TRUE(run("ip route get 10.6.1.1 | grep -q 'dev eth0'")) << "the host's own goes before";
    EXPECT_TRUE(remove_route("wg0", {*Prefix::parse("10.6.0.0/16")}).ok());
    EXPECT_TRUE(run("ip route show 10.6.0.0/16 | grep -q 'dev eth0'")) << "ours alone was removed";
    ASSERT_TRUE(run("ip route add 10.7.0.0/16 dev eth0 metric 1024"));
    const Status taken = add_route("wg0", {*Prefix::parse("10.7.0.0/16")});
    EXPECT_EQ(taken.error().code, EEXIST);
    EXPECT_NE(taken.error().message.find("ip route show 10.7.0.0/16"), std::string::npos);
    EXPECT_EQ(set_link_up("none").error().code, ENODEV);
    EXPECT_FALSE(add_address("none", *IpAddress::parse("10.0.0.1"), 24).ok());
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

}  // namespace
}  // namespace hawser::test
