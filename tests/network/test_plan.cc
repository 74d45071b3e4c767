#include <nlohmann/json.hpp>

#include "network/plan.h"
#include "network/plan_json.h"
#include "network/plan_table.h"
#include "network/plan_wg_quick.h"
#include "support.h"

namespace hawser {
namespace {

using network_test::accept_from;
using network_test::controller_text;
using network_test::good_network;
using network_test::good_plan;
using network_test::kFullMesh;
using network_test::kNodeId;
using network_test::kVpn;
using network_test::member_text;
using network_test::peer_names;
using network_test::peer_text;
using network_test::route_to;
using network_test::strings;
using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

// The names' ids and suffixes stand in vectors/network_plan.json.
const std::string kTwoPeers =
    kVpn + controller_text("controller1", 1) + controller_text("controller2", 2) +
    peer_text("peer1", 3,
              "controller = \"controller1\"\n"
              "allowed_ips = [\"192.168.7.0/24\", \"2001:db8:7::/64\"]\n") +
    peer_text("peer2", 4, "controller = \"controller2\"\n");

TEST(Plan, PeerReachesEverythingThroughControllers) {
  const HostPlan plan = good_plan(good_network(kTwoPeers), "peer2");
  EXPECT_EQ(plan.role, HostRole::kPeer);
  EXPECT_THAT(strings(plan.routes),
              ElementsAre("192.168.7.0/24", "2001:db8:7::/64", "fdeb:f20c:3b:f700::/56",
                          "fdeb:f20c:c1:aa00::/56"));
  EXPECT_THAT(strings(plan.added_routes()), ElementsAre("192.168.7.0/24", "2001:db8:7::/64"));
  ASSERT_EQ(plan.peers.size(), 2U);
  // What is behind peer1 goes to the controller that it designates.
  EXPECT_THAT(strings(plan.peers[0].allowed_ips),
              ElementsAre("fdeb:f20c:3b:f700::/56", "192.168.7.0/24", "2001:db8:7::/64"));
  EXPECT_THAT(strings(plan.peers[1].allowed_ips), ElementsAre("fdeb:f20c:c1:aa00::/56"));
  EXPECT_EQ(plan.peers[0].address.to_string(), "fdeb:f20c:3b:f700::1");
}

TEST(Plan, PeerFailsOverAndAcceptsFromAnyController) {
  const HostPlan plan = good_plan(good_network(kTwoPeers), "peer2");
  EXPECT_THAT(route_to(plan, "fdeb:f20c:3b:f700::/56"), ElementsAre("controller1", "controller2"));
  EXPECT_THAT(route_to(plan, "fdeb:f20c:c1:aa00::/56"), ElementsAre("controller2", "controller1"));
  EXPECT_THAT(route_to(plan, "192.168.7.0/24"), ElementsAre("controller1", "controller2"));
  for (const AcceptRule& rule : plan.accept_rules) {
    EXPECT_THAT(peer_names(plan, rule.peers), ElementsAre("controller1", "controller2"));
  }
}

// printer and storage stand in front of one network, and so does controller2.
const std::string kSite = "allowed_ips = [\"192.168.7.0/24\"]\n";
std::string shared_site(const std::string& order) {
  return "[network]\nname = \"vpn\"\nsite_order = [" + order + "]\n" +
         controller_text("controller1", 1) + controller_text("controller2", 2) + kSite +
         peer_text("laptop", 3, "controller = \"controller1\"\n") +
         peer_text("printer", 4, "controller = \"controller1\"\n" + kSite) +
         peer_text("storage", 5, "controller = \"controller2\"\n" + kSite);
}

std::vector<std::string> watched(const HostPlan& plan) {
  std::vector<std::string> names;
  for (const PlanPeer& peer : plan.peers) {
    if (peer.shares_site) names.push_back(peer.name);
  }
  return names;
}

TEST(Plan, OneNetworkBehindSeveralHostsIsAnOrderedList) {
  const Network by_name = good_network(shared_site(""));
  const std::string lan = "192.168.7.0/24";
  const HostPlan controller = good_plan(by_name, "controller1");
  EXPECT_THAT(route_to(controller, lan), ElementsAre("controller2", "printer", "storage"));
  EXPECT_THAT(accept_from(controller, lan), ElementsAre("controller2", "printer", "storage"));
  EXPECT_THAT(watched(controller), testing::IsSupersetOf({"printer", "storage"}));
  EXPECT_THAT(strings(controller.peers[0].allowed_ips), testing::Contains(lan));
  EXPECT_THAT(strings(controller.peers[2].allowed_ips), Not(testing::Contains(lan)));
  // Peers send to the controller that stands for the first.
  const HostPlan laptop = good_plan(by_name, "laptop");
  EXPECT_THAT(route_to(laptop, lan), ElementsAre("controller2", "controller1"));
  EXPECT_THAT(watched(laptop), ElementsAre());

  const Network ordered = good_network(shared_site("\"storage\", \"printer\""));
  EXPECT_THAT(route_to(good_plan(ordered, "controller1"), lan),
              ElementsAre("storage", "printer", "controller2"));
}

TEST(Plan, GatewaysOfOneNetworkAcceptItFromEachOtherAndRouteNoneOfIt) {
  const Network network = good_network(shared_site(""));
  for (const std::string gateway : {"controller2", "printer"}) {
    const HostPlan plan = good_plan(network, gateway);
    EXPECT_THAT(route_to(plan, "192.168.7.0/24"), ElementsAre());
    EXPECT_THAT(accept_from(plan, "192.168.7.0/24"), testing::Contains("controller1"));
    EXPECT_THAT(strings(plan.routes), Not(testing::Contains("192.168.7.0/24")));
    for (const PlanPeer& peer : plan.peers) {
      EXPECT_THAT(strings(peer.allowed_ips), Not(testing::Contains("192.168.7.0/24")));
    }
    EXPECT_THAT(watched(plan), ElementsAre());
  }
}

TEST(Plan, MembersReachASharedNetworkThemselves) {
  const Network network = good_network(kFullMesh + member_text("a", 1, "10.42.0.1") +
                                       member_text("b", 2, "10.42.0.2", kSite) +
                                       member_text("c", 3, "10.42.0.3", kSite));
  const HostPlan plan = good_plan(network, "a");
  EXPECT_THAT(route_to(plan, "192.168.7.0/24"), ElementsAre("b", "c"));
  EXPECT_THAT(accept_from(plan, "192.168.7.0/24"), ElementsAre("b", "c"));
  EXPECT_THAT(watched(plan), ElementsAre("b", "c"));
  EXPECT_THAT(strings(plan.peers[0].allowed_ips), ElementsAre("10.42.0.2/32", "192.168.7.0/24"));
  EXPECT_THAT(strings(plan.peers[1].allowed_ips), ElementsAre("10.42.0.3/32"));
}

TEST(Plan, WhatIsBehindAHostIsNotRoutedIntoItsOwnTunnel) {
  const HostPlan plan = good_plan(good_network(kTwoPeers), "peer1");
  EXPECT_THAT(route_to(plan, "192.168.7.0/24"), ElementsAre());
  EXPECT_THAT(strings(plan.added_routes()), ElementsAre());
}

TEST(Plan, ControllerFallsBackOnTheOtherForPeersButNotForControllers) {
  const HostPlan plan = good_plan(good_network(kTwoPeers), "controller1");
  EXPECT_THAT(route_to(plan, "fdeb:f20c:c1:aa00::/56"), ElementsAre("controller2"));
  EXPECT_THAT(accept_from(plan, "fdeb:f20c:c1:aa00::/56"), ElementsAre("controller2"));
  EXPECT_THAT(route_to(plan, "fdeb:f20c:3b:f700:6987:50a0::/96"),
              ElementsAre("peer1", "controller2"));
  EXPECT_THAT(accept_from(plan, "fdeb:f20c:3b:f700:6987:50a0::/96"),
              ElementsAre("controller2", "peer1"));
  EXPECT_THAT(route_to(plan, "192.168.7.0/24"), ElementsAre("peer1", "controller2"));
  EXPECT_THAT(strings(plan.routes),
              ElementsAre("192.168.7.0/24", "2001:db8:7::/64", "fdeb:f20c::/40"));
}

TEST(Plan, FallbacksGoRoundSoThatLoadIsSpread) {
  const Network network = good_network(
      kVpn + controller_text("controller1", 1) + controller_text("controller2", 2) +
      controller_text("ctrl209", 3) + peer_text("peer1", 4, "controller = \"ctrl209\""));
  const HostPlan plan = good_plan(network, "peer1");
  EXPECT_THAT(route_to(plan, "fdeb:f20c:c1:aa00::/56"),
              ElementsAre("controller2", "ctrl209", "controller1"));
  EXPECT_THAT(route_to(plan, "fdeb:f20c:55::/56"),
              ElementsAre("ctrl209", "controller1", "controller2"));
}

TEST(Plan, NamesResolveUnderTheDesignatedController) {
  const HostPlan plan = good_plan(good_network(kTwoPeers), "controller2");
  std::vector<std::string> names;
  for (const PlanHostName& host : plan.hosts) {
    names.push_back(host.name + ' ' + host.address.to_string());
  }
  EXPECT_THAT(names, ElementsAre("controller1.vpn fdeb:f20c:3b:f700::1",
                                 "controller2.vpn fdeb:f20c:c1:aa00::1",
                                 "peer1.vpn fdeb:f20c:3b:f700:6987:50a0:9b93:4337",
                                 "peer2.vpn fdeb:f20c:c1:aa00:3b21:3ced:3e:89b3"));
}

TEST(Plan, DoesNotDependOnTheFilesOrderOrFormat) {
  const std::string shuffled =
      peer_text("peer2", 4, "controller = \"controller2\"\n") + controller_text("controller2", 2) +
      "# A comment\n[peers.peer1]\n"
      "allowed_ips = [\"192.168.7.0/24\", \"2001:db8:7::/64\"]\ncontroller = \"controller1\"\n"
      "public_key = \"" +
      network_test::public_key(3) + "\"\n" + controller_text("controller1", 1) + kVpn;
  const auto host = [](std::uint32_t key, const std::string& more) {
    return "{\"public_key\": \"" + network_test::public_key(key) + "\", " + more + "}";
  };
  const std::string as_json =
      "{\"peers\": {\"peer1\": " +
      host(3,
           "\"controller\": \"controller1\", \"allowed_ips\": [\"192.168.7.0/24\", "
           "\"2001:db8:7::/64\"]") +
      ", \"peer2\": " + host(4, "\"controller\": \"controller2\"") +
      "}, \"network\": {\"name\": \"vpn\"}, \"controllers\": {\"controller1\": " +
      host(1, "\"endpoint\": \"192.0.2.1:51820\"") +
      ", \"controller2\": " + host(2, "\"endpoint\": \"192.0.2.2:51820\"") + "}}";
  for (const std::string name : {"controller1", "controller2", "peer1", "peer2"}) {
    const HostPlan plan = good_plan(good_network(kTwoPeers), name);
    EXPECT_EQ(plan, good_plan(good_network(shuffled), name));
    EXPECT_EQ(plan, good_plan(good_network(as_json), name));
  }
}

TEST(Plan, AllowedIpThatSaysWhatThePlanSaysStandsOnce) {
  const std::string own_prefix = "fdeb:f20c:3b:f700:6987:50a0::/96";
  const HostPlan plan =
      good_plan(good_network(kVpn + controller_text("controller1", 1) +
                             peer_text("peer1", 2, "allowed_ips = [\"" + own_prefix + "\"]\n")),
                "controller1");
  EXPECT_THAT(strings(plan.peers[0].allowed_ips), ElementsAre(own_prefix));
}

TEST(Plan, LoneControllerIsAPlan) {
  const HostPlan plan =
      good_plan(good_network(kVpn + controller_text("controller1", 1)), "controller1");
  EXPECT_TRUE(plan.peers.empty());
  EXPECT_EQ(plan.hosts.size(), 1U);
}

TEST(Plan, UnknownHostNamesTheNearest) {
  const Result<HostPlan> plan = plan_host(good_network(kTwoPeers), "controler1");
  ASSERT_FALSE(plan.ok());
  EXPECT_THAT(plan.error().message, HasSubstr("did you mean \"controller1\"?"));
}

TEST(Plan, NetworkWithErrorsGivesNone) {
  const LoadedNetwork loaded =
      load_network(kVpn + controller_text("server34", 1) + controller_text("server245", 2));
  EXPECT_FALSE(loaded.usable());
  EXPECT_FALSE(plan_host(loaded.network, "server34").ok());
  const LoadedNetwork keyless =
      load_network(kVpn + "[controllers.a]\nendpoint = \"192.0.2.1:1\"\n");
  EXPECT_FALSE(plan_host(keyless.network, "a").ok());
}

TEST(Plan, FullMeshRemovesTheHostItself) {
  const Network network =
      good_network(kFullMesh + member_text("kingfisher", 1, "10.42.0.1") +
                   member_text("heron", 2, "10.42.0.2", "persistent_keepalive = 15\n") +
                   member_text("bittern", 3, "10.42.0.3", "allowed_ips = [\"192.168.20.0/24\"]\n"));
  const HostPlan plan = good_plan(network, "kingfisher");
  EXPECT_EQ(plan.interface.addresses[0].to_string(), "10.42.0.1/24");
  EXPECT_EQ(plan.interface.listen_port, 51820);
  ASSERT_EQ(plan.peers.size(), 2U);
  EXPECT_THAT(strings(plan.peers[0].allowed_ips), ElementsAre("10.42.0.3/32", "192.168.20.0/24"));
  EXPECT_EQ(plan.peers[0].persistent_keepalive, 25);
  EXPECT_THAT(strings(plan.peers[1].allowed_ips), ElementsAre("10.42.0.2/32"));
  EXPECT_EQ(plan.peers[1].persistent_keepalive, 15);
  EXPECT_THAT(strings(plan.routes), ElementsAre("10.42.0.0/24", "192.168.20.0/24"));
}

TEST(Plan, FullMeshTakesIpv6) {
  const Network network =
      good_network("[network]\nname = \"wg0\"\nplan = \"full-mesh\"\ncidr = \"fd00:42::/64\"\n" +
                   member_text("a", 1, "fd00:42::1") + member_text("b", 2, "fd00:42::2"));
  const HostPlan plan = good_plan(network, "a");
  EXPECT_EQ(plan.interface.addresses[0].to_string(), "fd00:42::1/64");
  EXPECT_THAT(strings(plan.peers[0].allowed_ips), ElementsAre("fd00:42::2/128"));
}

TEST(Plan, NodeIdDerivesHostRoutes) {
  const HostPlan plan = good_plan(
      good_network(kNodeId + member_text("ruv-mac-mini", 1, "") + member_text("ruvultra", 2, "")),
      "ruvultra");
  EXPECT_EQ(plan.interface.addresses[0].to_string(), "10.50.242.138/32");
  EXPECT_THAT(strings(plan.peers[0].allowed_ips), ElementsAre("10.50.119.95/32"));
  EXPECT_THAT(strings(plan.routes), ElementsAre("10.50.119.95/32"));
  EXPECT_THAT(strings(plan.added_routes()), ElementsAre("10.50.119.95/32"));
}

TEST(Plan, PresharedKeyFileIsTheSameSeenFromBothSides) {
  const Network network = good_network(
      kFullMesh + member_text("a", 1, "10.42.0.1", "preshared_key_file = \"a.psk\"\n") +
      member_text("b", 2, "10.42.0.2", "preshared_key_file = \"b.psk\"\n") +
      member_text("c", 3, "10.42.0.3"));
  const HostPlan a = good_plan(network, "a");
  const HostPlan b = good_plan(network, "b");
  EXPECT_EQ(a.peers[0].preshared_key_file, "a.psk");  // b
  EXPECT_EQ(b.peers[0].preshared_key_file, "a.psk");  // a
  EXPECT_EQ(b.peers[1].preshared_key_file, "b.psk");  // c
}

TEST(PlanJson, HasExactlyTheDocumentedShape) {
  const json plan = json::parse(plan_to_json(good_plan(good_network(kTwoPeers), "peer2")));
  EXPECT_EQ(plan["host"], "peer2");
  EXPECT_EQ(plan["role"], "peer");
  EXPECT_EQ(
      plan["interface"],
      (json{{"name", "vpn"},
            {"addresses",
             {"fdeb:f20c:3b:f700:3b21:3ced:3e:89b3/56", "fdeb:f20c:c1:aa00:3b21:3ced:3e:89b3/56"}},
            {"listen_port", nullptr},
            {"mtu", 1420}}));
  EXPECT_EQ(plan["peers"][1], (json{{"name", "controller2"},
                                    {"public_key", network_test::public_key(2)},
                                    {"endpoint", "192.0.2.2:51820"},
                                    {"allowed_ips", {"fdeb:f20c:c1:aa00::/56"}},
                                    {"persistent_keepalive", 25}}));
  EXPECT_EQ(plan["hosts"][0],
            (json{{"name", "controller1.vpn"}, {"address", "fdeb:f20c:3b:f700::1"}}));
  EXPECT_EQ(plan.size(), 6U);
  EXPECT_EQ(plan["routes"].size(), 4U);
}

class OneKey : public KeyFiles {
 public:
  Result<PrivateKey> private_key(const std::string& path) override {
    return Error{path + " is missing"};
  }
  Result<PresharedKey> preshared_key(const std::string& path) override {
    if (path != "storage.psk") return Error{path + " is missing"};
    std::array<std::uint8_t, kKeyLen> bytes{};
    bytes.fill(7);
    return PresharedKey(bytes);
  }
};

TEST(PlanWgQuick, IsAStockConfigurationFile) {
  const Network network = good_network(
      kVpn + controller_text("controller1", 1) +
      peer_text("peer1", 3, "preshared_key_file = \"storage.psk\"\n") + peer_text("peer2", 4));
  OneKey keys;
  const Result<std::string> controller =
      plan_to_wg_quick(good_plan(network, "controller1"), kPrivateKeyPlaceholder, &keys);
  ASSERT_TRUE(controller.ok());
  EXPECT_THAT(*controller, HasSubstr("[Interface]\nPrivateKey = REPLACE_WITH_PRIVATE_KEY\n"
                                     "Address = fdeb:f20c:3b:f700::1/40\nListenPort = 51820\n"
                                     "MTU = 1420\n"));
  EXPECT_THAT(*controller,
              HasSubstr("[Peer]\nPublicKey = " + network_test::public_key(3) +
                        "\nPresharedKey = BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n"
                        "AllowedIPs = fdeb:f20c:3b:f700:6987:50a0::/96\n"));
  const Result<std::string> peer =
      plan_to_wg_quick(good_plan(network, "peer1"), "PRIVATE", nullptr);
  ASSERT_TRUE(peer.ok());
  EXPECT_THAT(*peer, HasSubstr("Endpoint = 192.0.2.1:51820\nPersistentKeepalive = 25\n"));
  EXPECT_THAT(*peer, HasSubstr("# PresharedKey = the contents of storage.psk\n"));
  EXPECT_THAT(*peer, Not(HasSubstr("ListenPort")));
}

TEST(PlanWgQuick, MissingPresharedKeyFails) {
  const Network network =
      good_network(kVpn + controller_text("controller1", 1) +
                   peer_text("peer1", 3, "preshared_key_file = \"other.psk\"\n"));
  OneKey keys;
  const auto text = plan_to_wg_quick(good_plan(network, "peer1"), "PRIVATE", &keys);
  ASSERT_FALSE(text.ok());
  EXPECT_THAT(text.error().message, HasSubstr("other.psk is missing"));
}

TEST(PlanTable, ShowsEverythingAligned) {
  const std::string table = plan_to_table(good_plan(good_network(kTwoPeers), "controller1"));
  EXPECT_THAT(table, HasSubstr("host        controller1, controller of network vpn\n"));
  EXPECT_THAT(table, HasSubstr("interface   vpn, port 51820, mtu 1420\n"));
  EXPECT_THAT(table, HasSubstr("fdeb:f20c:3b:f700:6987:50a0::/96\n"));
  EXPECT_THAT(table, HasSubstr("peer1.vpn"));
  EXPECT_THAT(table, Not(HasSubstr(" \n")));
  const std::string tagged = kVpn + controller_text("controller1", 1) +
                             peer_text("peer1", 2, "tags = [\"people\", \"a\\u001b[31m\"]\n");
  EXPECT_THAT(plan_to_table(good_plan(good_network(tagged), "controller1")),
              HasSubstr("\npeer1 #people #a?[31m  "));
}

}  // namespace
}  // namespace hawser
