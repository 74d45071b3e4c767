// The host's routes, and what is told of a change of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "tests/tun/netlink_watcher.h"
#include "tun/netlink_config.h"
#include "tun/route_table.h"

namespace hawser::test {
namespace {

using testing::Contains;
using testing::Not;

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
