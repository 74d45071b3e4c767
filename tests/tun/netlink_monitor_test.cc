// Links and addresses as the monitor tells them, in whatever network namespace.
#include "tun/netlink_monitor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <functional>
#include <string>

#include "tests/tun/netlink_watcher.h"
#include "tun/netlink_config.h"

namespace hawser::test {
namespace {

using testing::Contains;
using testing::Not;

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

}  // namespace
}  // namespace hawser::test
