// What is made and repaired through netlink: addresses, routes, rules.
#include "tun/netlink_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <vector>

#include "tests/tun/netlink_watcher.h"

namespace hawser::test {
namespace {

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

}  // namespace
}  // namespace hawser::test
