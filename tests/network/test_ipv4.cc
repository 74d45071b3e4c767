// Plan controllers-and-peers with ipv4 in [network], and address_suffix: what each host makes of
// them, and what clashes.
#include "network/address_plan_controllers_and_peers.h"
#include "network/plan_wg_quick.h"
#include "support.h"

namespace hawser {
namespace {

using network_test::accept_from;
using network_test::controller_text;
using network_test::good_network;
using network_test::good_plan;
using network_test::kNodeId;
using network_test::member_text;
using network_test::peer_text;
using network_test::problems_of;
using network_test::public_key;
using network_test::route_to;
using network_test::says;
using network_test::strings;
using testing::ElementsAre;
using testing::HasSubstr;

const std::string kHead = "[network]\nname = \"vpn\"\nipv4 = \"10.60.0.0/16\"\n";
const std::string kControllers =
    kHead + controller_text("controller1", 1) + controller_text("controller2", 2);
const std::string kLan = "allowed_ips = [\"192.168.7.0/24\"]\n";
const std::string kSmall = kControllers +
                           peer_text("peer1", 3, "controller = \"controller1\"\n" + kLan) +
                           peer_text("peer2", 4, "controller = \"controller2\"\n");

// The last two octets of H(name)'s first four bytes, worked out by hand (sha256sum).
constexpr const char* kController1 = "10.60.189.58";
constexpr const char* kController2 = "10.60.63.239";
constexpr const char* kPeer1 = "10.60.80.160";
constexpr const char* kPeer2 = "10.60.60.237";

std::vector<std::string> addresses_of(const HostPlan& plan) {
  std::vector<std::string> texts;
  for (const InterfaceAddress& own : plan.interface.addresses) texts.push_back(own.to_string());
  return texts;
}

std::string host_route(const std::string& address) { return address + "/32"; }

TEST(Ipv4, EveryHostHasOneAddressWithThePrefixsLength) {
  const Network network = good_network(kSmall);
  EXPECT_THAT(addresses_of(good_plan(network, "controller1")),
              ElementsAre("fdeb:f20c:3b:f700::1/40", std::string(kController1) + "/16"));
  EXPECT_THAT(addresses_of(good_plan(network, "peer2")),
              ElementsAre("fdeb:f20c:3b:f700:3b21:3ced:3e:89b3/56",
                          "fdeb:f20c:c1:aa00:3b21:3ced:3e:89b3/56", std::string(kPeer2) + "/16"));
}

TEST(Ipv4, PeerRoutesThePrefixToItsControllersTheDesignatedOneFirst) {
  const HostPlan plan = good_plan(good_network(kSmall), "peer2");
  EXPECT_THAT(route_to(plan, "10.60.0.0/16"), ElementsAre("controller2", "controller1"));
  EXPECT_THAT(accept_from(plan, "10.60.0.0/16"), ElementsAre("controller1", "controller2"));
  EXPECT_THAT(strings(plan.peers[0].allowed_ips),
              ElementsAre("fdeb:f20c:3b:f700::/56", "192.168.7.0/24"));
  EXPECT_THAT(strings(plan.peers[1].allowed_ips),
              ElementsAre("fdeb:f20c:c1:aa00::/56", "10.60.0.0/16"));
  EXPECT_THAT(strings(plan.added_routes()), ElementsAre("192.168.7.0/24"));
  const Result<std::string> text = plan_to_wg_quick(plan, "PRIVATE", nullptr);
  ASSERT_TRUE(text.ok());
  EXPECT_THAT(*text, HasSubstr("Address = 10.60.60.237/16\n"));
  EXPECT_THAT(*text, HasSubstr("AllowedIPs = fdeb:f20c:c1:aa00::/56, 10.60.0.0/16\n"));
}

TEST(Ipv4, ControllersListAddressesAndStandInForPeersOnly) {
  const HostPlan plan = good_plan(good_network(kSmall), "controller1");
  EXPECT_THAT(route_to(plan, host_route(kController2)), ElementsAre("controller2"));
  EXPECT_THAT(route_to(plan, host_route(kPeer2)), ElementsAre("peer2", "controller2"));
  EXPECT_THAT(accept_from(plan, host_route(kPeer2)), ElementsAre("controller2", "peer2"));
  EXPECT_THAT(strings(plan.peers[2].allowed_ips),
              ElementsAre("fdeb:f20c:3b:f700:3b21:3ced::/96", "fdeb:f20c:c1:aa00:3b21:3ced::/96",
                          host_route(kPeer2)));
  EXPECT_THAT(strings(plan.routes),
              ElementsAre("10.60.0.0/16", "192.168.7.0/24", "fdeb:f20c::/40"));
  EXPECT_TRUE(route_to(plan, "10.60.0.0/16").empty());
}

TEST(Ipv4, NamesHaveOneMoreEntryEach) {
  std::vector<std::string> entries;
  for (const PlanHostName& host : good_plan(good_network(kSmall), "peer1").hosts) {
    entries.push_back(host.name + ' ' + host.address.to_string());
  }
  EXPECT_THAT(
      entries,
      ElementsAre(
          "controller1.vpn fdeb:f20c:3b:f700::1", std::string("controller1.vpn ") + kController1,
          "controller2.vpn fdeb:f20c:c1:aa00::1", std::string("controller2.vpn ") + kController2,
          "peer1.vpn fdeb:f20c:3b:f700:6987:50a0:9b93:4337", std::string("peer1.vpn ") + kPeer1,
          "peer2.vpn fdeb:f20c:c1:aa00:3b21:3ced:3e:89b3", std::string("peer2.vpn ") + kPeer2));
}

TEST(Ipv4, HostsOwnEntryDecides) {
  const Network network = good_network(
      kControllers + peer_text("peer1", 3, "controller = \"controller1\"\nipv4 = \"10.60.0.9\"\n"));
  EXPECT_THAT(addresses_of(good_plan(network, "peer1")), testing::Contains("10.60.0.9/16"));
  EXPECT_THAT(route_to(good_plan(network, "controller2"), "10.60.0.9/32"),
              ElementsAre("peer1", "controller1"));
}

TEST(Ipv4, NamesThatHashToOneAddressAreNamedBothWithAFreeOne) {
  // Both hash to 10.60.55.147; 10.60.55.148 is somebody's already.
  const std::string text = kHead + controller_text("controller1", 1) + peer_text("host261", 2) +
                           peer_text("host267", 3) +
                           peer_text("other", 4, "ipv4 = \"10.60.55.148\"\n");
  const std::vector<Problem> problems = problems_of(text);
  EXPECT_THAT(problems,
              ElementsAre(says({":9: error: peers.host267: ", "host261 (line 7)", "10.60.55.147",
                                "write ipv4 = \"10.60.55.149\" in [peers.host267]"})));
  // The proposal is taken as it stands.
  const std::string mended = kHead + controller_text("controller1", 1) + peer_text("host261", 2) +
                             peer_text("host267", 3, "ipv4 = \"10.60.55.149\"\n") +
                             peer_text("other", 4, "ipv4 = \"10.60.55.148\"\n");
  EXPECT_THAT(problems_of(mended), ElementsAre());
}

TEST(Ipv4, FixedAddressesMustBeUniqueInsideAndAHosts) {
  const auto problems = [](const std::string& a, const std::string& b) {
    return problems_of(kHead + controller_text("controller1", 1) +
                       peer_text("a", 2, "ipv4 = \"" + a + "\"\n") +
                       peer_text("b", 3, "ipv4 = \"" + b + "\"\n"));
  };
  EXPECT_THAT(problems("10.60.0.1", "10.60.0.2"), ElementsAre());
  EXPECT_THAT(problems("10.60.0.1", "10.60.0.1"),
              ElementsAre(says({"error: peers.b.ipv4: ", "a (line 7)", "10.60.0.1"})));
  EXPECT_THAT(problems("10.60.0.1", "10.61.0.2"),
              ElementsAre(says({":12: error: peers.b.ipv4: 10.61.0.2 is outside", "10.60.0.0/16",
                                "write ipv4 = \"10.60.0.2\""})));
  EXPECT_THAT(problems("10.60.0.0", "10.60.255.255"),
              ElementsAre(says({"peers.a.ipv4: 10.60.0.0 is not a host's address"}),
                          says({"peers.b.ipv4: 10.60.255.255 is not a host's address"})));
  // What another name gives is taken, too.
  EXPECT_THAT(problems("10.60.0.1", kController1),
              ElementsAre(says({"error: peers.b.ipv4: ", "controller1 (line 4)"})));
  EXPECT_THAT(problems("10.60.0.1", "fd00::1"), ElementsAre(says({"is not an IPv4 address"})));
}

TEST(Ipv4, BroadcastAddressOfASmallPrefixIsNobodys) {
  // host45 hashes to …63.
  EXPECT_THAT(problems_of("[network]\nname = \"vpn\"\nipv4 = \"10.60.1.0/26\"\n" +
                          controller_text("controller1", 1) + peer_text("host45", 2)),
              ElementsAre(says({"error: peers.host45: hashes to 10.60.1.63", "write ipv4 = "})));
}

TEST(Ipv4, FullPrefixIsTold) {
  EXPECT_THAT(
      problems_of("[network]\nname = \"vpn\"\nipv4 = \"10.60.1.0/30\"\n" + controller_text("c", 1) +
                  "ipv4 = \"10.60.1.1\"\n" + peer_text("a", 2, "ipv4 = \"10.60.1.2\"\n") +
                  peer_text("b", 3, "ipv4 = \"10.60.1.2\"\n")),
      ElementsAre(says({"peers.b.ipv4", "no free address in 10.60.1.0/30: widen ipv4"})));
}

TEST(Ipv4, PrefixIsChecked) {
  const auto problems = [](const std::string& ipv4) {
    return problems_of("[network]\nname = \"vpn\"\nipv4 = \"" + ipv4 + "\"\n" +
                       controller_text("server1", 1));
  };
  EXPECT_THAT(problems("10.60.0.0/16"), ElementsAre());
  EXPECT_THAT(problems("10.60.0.1/16"), ElementsAre(says({"warning", "write 10.60.0.0/16"})));
  EXPECT_THAT(problems("10.60.0.0"), ElementsAre(says({":3: error: network.ipv4"})));
  EXPECT_THAT(problems("fd00::/64"), ElementsAre(says({"is not IPv4"})));
  EXPECT_THAT(problems("10.60.0.0/31"), ElementsAre(says({"no room for hosts"})));
  EXPECT_THAT(problems("0.0.0.0/0"), ElementsAre(says({"not a network's own"})));
  EXPECT_THAT(problems("127.0.0.0/16"), ElementsAre(says({"not a network's own"})));
  EXPECT_THAT(problems("224.0.0.0/8"), ElementsAre(says({"not a network's own"})));
}

TEST(Ipv4, IsForControllersAndPeersWithAPrefix) {
  EXPECT_THAT(problems_of(kNodeId + "ipv4 = \"10.60.0.0/16\"\n" + member_text("a", 1, "")),
              ElementsAre(says({"network.ipv4: is only for plan controllers-and-peers"})));
  EXPECT_THAT(problems_of("[network]\nname = \"vpn\"\n" + controller_text("server1", 1) +
                          peer_text("a", 2, "ipv4 = \"10.60.0.1\"\n")),
              ElementsAre(says({"peers.a.ipv4: needs a prefix", "[network]"})));
}

TEST(Ipv4, NetworksBehindHostsAndEndpointsLieOutside) {
  EXPECT_THAT(problems_of(kHead + controller_text("controller1", 1) +
                          peer_text("a", 2, "allowed_ips = [\"10.60.200.0/24\"]\n")),
              ElementsAre(says({"error: peers.a.allowed_ips: 10.60.200.0/24 lies in the network's",
                                "10.60.0.0/16"})));
  EXPECT_THAT(problems_of(kHead + "[controllers.c]\npublic_key = \"" + public_key(1) +
                          "\"\nendpoint = \"10.60.7.7:51820\"\n"),
              ElementsAre(says({"error: controllers.c.endpoint: ", "10.60.0.0/16"})));
}

TEST(AddressSuffix, KeepsAPeersAddressUnderAnotherName) {
  const std::string pinned =
      "controller = \"controller1\"\n"
      "address_suffix = \"6987:50a0:9b93:4337\"\n";
  const Network before =
      good_network(kControllers + peer_text("peer1", 3, "controller = \"controller1\"\n"));
  const Network after = good_network(kControllers + peer_text("renamed", 3, pinned));
  EXPECT_EQ(named_address(before, *before.find("peer1")),
            named_address(after, *after.find("renamed")));
  EXPECT_THAT(strings(good_plan(after, "controller2").peers[1].allowed_ips),
              testing::Contains("fdeb:f20c:3b:f700:6987:50a0::/96"));
  EXPECT_THAT(addresses_of(good_plan(after, "renamed")),
              testing::Contains("fdeb:f20c:c1:aa00:6987:50a0:9b93:4337/56"));
}

TEST(AddressSuffix, ClashesAreErrorsAsForDerivedOnes) {
  const auto problems = [](const std::string& suffix) {
    return problems_of(kHead + controller_text("controller1", 1) + peer_text("peer1", 3) +
                       peer_text("x", 4, "address_suffix = \"" + suffix + "\"\n"));
  };
  EXPECT_THAT(problems("bcd6:8f7f:3d6c:97"), ElementsAre());
  EXPECT_THAT(problems("6987:50a0:0:1"), ElementsAre(says({":11: error: peers.x.address_suffix: ",
                                                           "peer1 (line 7)", "6987:50a0::/96"})));
  EXPECT_THAT(problems("0:0:0:1"), ElementsAre(says({"the controllers' own addresses"})));
  for (const char* const bad : {"", "1:2:3", "1:2:3:4:5", "1:2:3:g", "12345:1:1:1", "1.2.3.4"}) {
    EXPECT_THAT(problems(bad), ElementsAre(says({"peers.x.address_suffix", "four groups"}))) << bad;
  }
  EXPECT_THAT(problems_of(kHead + controller_text("c", 1) + "address_suffix = \"1:2:3:4\"\n"),
              ElementsAre(says({"controllers.c.address_suffix: is only for peers"})));
}

}  // namespace
}  // namespace hawser
