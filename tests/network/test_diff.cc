#include "network/plan_diff.h"
#include "support.h"

namespace hawser {
namespace {

using network_test::controller_text;
using network_test::good_network;
using network_test::good_plan;
using network_test::kVpn;
using network_test::peer_text;
using testing::HasSubstr;
using testing::SizeIs;

HostPlan plan_of(const std::string& text, const std::string& host) {
  return good_plan(good_network(text), host);
}

const std::string kBefore =
    kVpn + controller_text("controller1", 1) + peer_text("peer1", 3) + peer_text("peer2", 4);

TEST(PlanDiff, SameFileInAnotherOrderChangesNothing) {
  const std::string shuffled =
      peer_text("peer2", 4) + peer_text("peer1", 3) + controller_text("controller1", 1) + kVpn;
  const PlanDiff diff =
      diff_plans(plan_of(kBefore, "controller1"), plan_of(shuffled, "controller1"));
  EXPECT_TRUE(diff.empty());
  EXPECT_EQ(plan_diff_to_string(diff), "nothing changes\n");
}

TEST(PlanDiff, AddedAndRemovedPeersLeaveTheOthersAlone) {
  const std::string after =
      kVpn + controller_text("controller1", 1) + peer_text("peer1", 3) + peer_text("peer3", 5);
  const PlanDiff diff = diff_plans(plan_of(kBefore, "controller1"), plan_of(after, "controller1"));
  ASSERT_THAT(diff.peers_added, SizeIs(1));
  ASSERT_THAT(diff.peers_removed, SizeIs(1));
  EXPECT_EQ(diff.peers_added[0].name, "peer3");
  EXPECT_EQ(diff.peers_removed[0].name, "peer2");
  EXPECT_THAT(diff.peers_changed, SizeIs(0));
  EXPECT_THAT(diff.hosts_added, SizeIs(1));
  EXPECT_THAT(diff.hosts_removed, SizeIs(1));
  EXPECT_THAT(diff.addresses_added, SizeIs(0));
  EXPECT_THAT(diff.routes_added, SizeIs(0));
  EXPECT_FALSE(diff.failover_changed) << "who is new has ways of its own";
}

TEST(PlanDiff, NewControllerBringsAnAddressARouteAndFallbacks) {
  const std::string after = kVpn + controller_text("controller1", 1) +
                            controller_text("controller2", 2) +
                            peer_text("peer1", 3, "controller = \"controller1\"\n") +
                            peer_text("peer2", 4, "controller = \"controller1\"\n");
  const PlanDiff diff = diff_plans(plan_of(kBefore, "peer1"), plan_of(after, "peer1"));
  ASSERT_THAT(diff.addresses_added, SizeIs(1));
  EXPECT_EQ(diff.addresses_added[0].to_string(), "fdeb:f20c:c1:aa00:6987:50a0:9b93:4337/56");
  ASSERT_THAT(diff.routes_added, SizeIs(1));
  EXPECT_EQ(diff.routes_added[0].to_string(), "fdeb:f20c:c1:aa00::/56");
  EXPECT_TRUE(diff.failover_changed);
  EXPECT_THAT(diff.peers_changed, SizeIs(0));
  EXPECT_THAT(plan_diff_to_string(diff), HasSubstr("+ peer controller2 "));
}

TEST(PlanDiff, ChangedPeerKeepsItsSessionAndSaysWhatChanges) {
  std::string after = kBefore;
  after.replace(after.find("192.0.2.1:51820"), 15, "192.0.2.9:51820");
  after += "allowed_ips = [\"192.168.7.0/24\"]\n";  // of peer2
  const PlanDiff at_peer = diff_plans(plan_of(kBefore, "peer1"), plan_of(after, "peer1"));
  ASSERT_THAT(at_peer.peers_changed, SizeIs(1));
  EXPECT_TRUE(at_peer.peers_changed[0].endpoint);
  EXPECT_TRUE(at_peer.peers_changed[0].allowed_ips);
  EXPECT_FALSE(at_peer.peers_changed[0].persistent_keepalive);
  EXPECT_THAT(at_peer.peers_added, SizeIs(0));
  EXPECT_EQ(plan_diff_to_string(at_peer),
            "~ peer controller1: endpoint 192.0.2.1:51820 → 192.0.2.9:51820; allowed IPs "
            "+192.168.7.0/24\n+ route 192.168.7.0/24\n");
}

TEST(PlanDiff, RenamedPeerIsTheSamePeerWithOtherAddresses) {
  std::string after = kBefore;
  after.replace(after.find("peers.peer2"), 11, "peers.peer9");
  const PlanDiff diff = diff_plans(plan_of(kBefore, "controller1"), plan_of(after, "controller1"));
  ASSERT_THAT(diff.peers_changed, SizeIs(1));
  EXPECT_TRUE(diff.peers_changed[0].renamed);
  EXPECT_TRUE(diff.peers_changed[0].allowed_ips);
  EXPECT_THAT(diff.peers_removed, SizeIs(0));
}

TEST(PlanDiff, NewKeyIsANewPeer) {
  const std::string after =
      kVpn + controller_text("controller1", 1) + peer_text("peer1", 3) + peer_text("peer2", 5);
  const PlanDiff diff = diff_plans(plan_of(kBefore, "controller1"), plan_of(after, "controller1"));
  EXPECT_THAT(diff.peers_added, SizeIs(1));
  EXPECT_THAT(diff.peers_removed, SizeIs(1));
}

TEST(PlanDiff, SettingsOfTheInterfaceAreTold) {
  std::string after = kBefore;
  after.insert(after.find("[controllers"), "mtu = 1400\nport = 51821\ninterface = \"wg9\"\n");
  const PlanDiff diff = diff_plans(plan_of(kBefore, "controller1"), plan_of(after, "controller1"));
  EXPECT_THAT(diff.settings, testing::ElementsAre("interface vpn → wg9",
                                                  "listen port 51820 → 51821", "mtu 1420 → 1400"));
}

}  // namespace
}  // namespace hawser
