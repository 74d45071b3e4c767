// Exits: who offers one, who takes which, and what that makes of plans.
#include "network/plan_json.h"
#include "network/plan_wg_quick.h"
#include "tests/network/support.h"

namespace hawser::network_test {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const std::string kExit = "allowed_ips = [\"0.0.0.0/0\", \"::/0\"]\n";

// Controllers server1 and server2; storage offers, laptop takes, printer does neither.
std::string vpn_text(const std::string& of_storage = kExit,
                     const std::string& of_laptop = "use_exit = \"storage\"\n") {
  return kVpn + "ipv4 = \"10.60.0.0/16\"\n" + controller_text("server1", 1) +
         controller_text("server2", 2) +
         peer_text("storage", 3, "controller = \"server2\"\n" + of_storage) +
         peer_text("laptop", 4, "controller = \"server1\"\n" + of_laptop) +
         peer_text("printer", 5, "controller = \"server1\"\n");
}

std::string full_mesh_text(const std::string& of_c = "") {
  return kFullMesh + member_text("a", 1, "10.42.0.1", "allowed_ips = [\"0.0.0.0/0\"]\n") +
         member_text("b", 2, "10.42.0.2", "allowed_ips = [\"0.0.0.0/0\"]\nuse_exit = \"a\"\n") +
         member_text("c", 3, "10.42.0.3", of_c);
}

std::vector<std::string> defaults_in(const std::vector<Prefix>& prefixes) {
  std::vector<std::string> found;
  for (const Prefix& prefix : prefixes) {
    if (prefix.length() == 0) found.push_back(prefix.to_string());
  }
  return found;
}

// "0.0.0.0/0 storage server1": a destination of length 0 and who carries it, in order.
std::vector<std::string> relayed(const HostPlan& plan) {
  std::vector<std::string> found;
  for (const FailoverRoute& route : plan.failover_routes) {
    if (route.destination.length() != 0) continue;
    std::string text = route.destination.to_string();
    for (const std::uint32_t peer : route.peers) text += " " + plan.peers[peer].name;
    found.push_back(text);
  }
  return found;
}

TEST(Exits, OnlyWhoTakesOneHasItAmongItsRoutes) {
  const Network network = good_network(vpn_text());
  const HostPlan laptop = good_plan(network, "laptop");
  EXPECT_EQ(laptop.exit, "storage");
  EXPECT_THAT(defaults_in(laptop.routes), ElementsAre("0.0.0.0/0", "::/0"));
  EXPECT_THAT(relayed(laptop), ElementsAre("0.0.0.0/0 server2 server1", "::/0 server2 server1"));
  for (const char* const other : {"printer", "storage"}) {
    const HostPlan plan = good_plan(network, other);
    EXPECT_THAT(defaults_in(plan.routes), IsEmpty()) << other;
    EXPECT_THAT(relayed(plan), IsEmpty()) << other;
  }
}

TEST(Exits, ControllersRelayToItWithoutTakingIt) {
  const Network network = good_network(vpn_text());
  const HostPlan near = good_plan(network, "server2");
  EXPECT_THAT(relayed(near), ElementsAre("0.0.0.0/0 storage server1", "::/0 storage server1"));
  EXPECT_THAT(relayed(good_plan(network, "server1")),
              ElementsAre("0.0.0.0/0 storage server2", "::/0 storage server2"));
  for (const char* const name : {"server1", "server2"}) {
    EXPECT_THAT(defaults_in(good_plan(network, name).routes), IsEmpty());
  }
  // Nobody takes it: nobody relays to it.
  const Network unused = good_network(vpn_text(kExit, ""));
  EXPECT_THAT(relayed(good_plan(unused, "server2")), IsEmpty());
}

TEST(Exits, AControllerMayOfferOneAndTakeOne) {
  const std::string text =
      kVpn + controller_text("server1", 1) + "allowed_ips = [\"::/0\"]\n" +
      controller_text("server2", 2) + "use_exit = \"server1\"\n" +
      peer_text("laptop", 4, "controller = \"server1\"\nuse_exit = \"server1\"\n");
  const Network network = good_network(text);
  EXPECT_THAT(relayed(good_plan(network, "laptop")), ElementsAre("::/0 server1 server2"));
  EXPECT_THAT(relayed(good_plan(network, "server2")), ElementsAre("::/0 server1"));
  EXPECT_THAT(defaults_in(good_plan(network, "server2").routes), ElementsAre("::/0"));
  EXPECT_THAT(relayed(good_plan(network, "server1")), IsEmpty());
}

TEST(Exits, InAFullMeshEachHostChoosesItsOwn) {
  const Network network = good_network(full_mesh_text("use_exit = \"b\"\n"));
  EXPECT_THAT(relayed(good_plan(network, "b")), ElementsAre("0.0.0.0/0 a"));
  EXPECT_THAT(relayed(good_plan(network, "c")), ElementsAre("0.0.0.0/0 b"));
  EXPECT_THAT(relayed(good_plan(network, "a")), IsEmpty());
}

TEST(Exits, AFamilyWithoutAddressesStaysOutside) {
  std::string text = vpn_text();
  text.erase(text.find("ipv4 = "), std::string("ipv4 = \"10.60.0.0/16\"\n").size());
  EXPECT_THAT(problems_of(text),
              ElementsAre(says({"warning: peers.laptop.use_exit: IPv4 does not go", "storage",
                                "write ipv4 ="})));
  const Network network = good_network(text);
  EXPECT_THAT(defaults_in(good_plan(network, "laptop").routes), ElementsAre("::/0"));
  EXPECT_THAT(relayed(good_plan(network, "server2")), ElementsAre("::/0 storage server1"));
}

TEST(Exits, WhatCannotWorkIsRefused) {
  EXPECT_THAT(problems_of(vpn_text()), IsEmpty());
  EXPECT_THAT(
      problems_of(vpn_text(kExit, "use_exit = \"strage\"\n")),
      Contains(says({"error: peers.laptop.use_exit: \"strage\" is not a host", "storage"})));
  EXPECT_THAT(problems_of(vpn_text(kExit, kExit + "use_exit = \"laptop\"\n")),
              Contains(says({"error: peers.laptop.use_exit: is the host itself"})));
  EXPECT_THAT(problems_of(vpn_text("", "use_exit = \"printer\"\n")),
              ElementsAre(says({"error: peers.laptop.use_exit: printer", "offers no exit"})));
  EXPECT_THAT(problems_of(vpn_text(kExit, "use_exit = \"\"\n")),
              Contains(says({"error: peers.laptop.use_exit: is empty"})));
  // Two that are offered are fine as long as all take the same.
  const std::string second = peer_text("office", 6, "controller = \"server1\"\n" + kExit);
  EXPECT_THAT(problems_of(vpn_text() + second),
              ElementsAre(says({"warning", "0.0.0.0/0 offers an exit, and no host takes it"}),
                          says({"warning", "::/0 offers an exit", "use_exit = \"office\""})));
  const std::string user =
      peer_text("phone", 7, "controller = \"server1\"\nuse_exit = \"office\"\n");
  EXPECT_THAT(problems_of(vpn_text() + second + user),
              Contains(says({"error", "use_exit: is another exit than that of", "full-mesh"})));
}

TEST(Exits, StockHostsTakeThemByTheirAllowedIps) {
  const Network network = good_network(vpn_text());
  const std::string laptop = *plan_to_wg_quick(good_plan(network, "laptop"), "KEY", nullptr);
  EXPECT_THAT(laptop, HasSubstr("0.0.0.0/0"));
  EXPECT_THAT(laptop, Not(HasSubstr("Table")));
  // wg-quick would turn a relaying controller's own default route.
  const std::string server = *plan_to_wg_quick(good_plan(network, "server2"), "KEY", nullptr);
  EXPECT_THAT(server, HasSubstr("0.0.0.0/0"));
  EXPECT_THAT(server, HasSubstr("Table = off\n"));
  EXPECT_THAT(*plan_to_wg_quick(good_plan(network, "printer"), "KEY", nullptr),
              Not(HasSubstr("0.0.0.0/0")));
  EXPECT_THAT(plan_to_json(good_plan(network, "laptop")), HasSubstr("\"use_exit\": \"storage\""));
  EXPECT_THAT(plan_to_json(good_plan(network, "printer")), Not(HasSubstr("use_exit")));
}

}  // namespace
}  // namespace hawser::network_test
