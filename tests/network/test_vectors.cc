// The address plans against vectors/network_plan.json.
#include <nlohmann/json.hpp>

#include <cstdio>

#include "network/address_plan_controllers_and_peers.h"
#include "network/address_plan_node_id.h"
#include "support.h"

namespace hawser {
namespace {

using network_test::read_text;
using nlohmann::json;

const json& vectors() {
  static const json parsed = json::parse(read_text(NETWORK_PLAN_VECTORS));
  return parsed;
}

std::string suffix_text(std::uint64_t suffix) {
  char text[20];
  std::snprintf(text, sizeof text, "%04x:%04x:%04x:%04x", unsigned(suffix >> 48),
                unsigned(suffix >> 32) & 0xffff, unsigned(suffix >> 16) & 0xffff,
                unsigned(suffix) & 0xffff);
  return text;
}

TEST(NetworkVectors, ControllersAndPeersAddresses) {
  ASSERT_EQ(vectors()["networks"].size(), 3U);
  for (const json& network : vectors()["networks"]) {
    const Prefix prefix = network_prefix(network["name"].get<std::string>());
    EXPECT_EQ(prefix.to_string(), network["prefix"]);
    std::map<std::string, Prefix> subnets;
    for (const json& controller : network["controllers"]) {
      const std::string name = controller["name"];
      const Prefix subnet = controller_subnet(prefix, name);
      subnets[name] = subnet;
      EXPECT_EQ(subnet.to_string(), controller["subnet"]);
      EXPECT_EQ(controller_address(subnet).to_string(), controller["address"]);
    }
    for (const json& peer : network["peers"]) {
      const std::string name = peer["name"];
      EXPECT_EQ(suffix_text(peer_suffix(name)), peer["suffix"]);
      for (const auto& [controller, subnet] : subnets) {
        EXPECT_EQ(peer_address(subnet, peer_suffix(name)).to_string(),
                  peer["addresses"][controller]);
        EXPECT_EQ(peer_prefix(subnet, peer_suffix(name)).to_string(),
                  peer["allowed_ips_at_controllers"][controller]);
      }
    }
  }
}

// The same through a whole file and its hosts' plans.
TEST(NetworkVectors, PlansOfTheVectorsNetworks) {
  for (const json& network : vectors()["networks"]) {
    std::string text = "[network]\nname = \"" + network["name"].get<std::string>() + "\"\n";
    std::uint32_t key = 1;
    for (const json& controller : network["controllers"]) {
      text += network_test::controller_text(controller["name"], key++);
    }
    for (const json& peer : network["peers"]) {
      text += network_test::peer_text(peer["name"], key++, "controller = \"controller1\"\n");
    }
    const Network parsed = network_test::good_network(text);
    for (const json& controller : network["controllers"]) {
      const HostPlan plan = network_test::good_plan(parsed, controller["name"]);
      ASSERT_EQ(plan.interface.addresses.size(), 1U);
      EXPECT_EQ(plan.interface.addresses[0].to_string(),
                controller["address"].get<std::string>() + "/40");
      EXPECT_EQ(plan.interface.listen_port, 51820);
      for (const PlanPeer& peer : plan.peers) {
        if (peer.role == HostRole::kController) continue;
        const auto listed =
            std::find_if(network["peers"].begin(), network["peers"].end(),
                         [&](const json& candidate) { return candidate["name"] == peer.name; });
        ASSERT_NE(listed, network["peers"].end());
        std::vector<std::string> expected;
        for (const auto& prefix : (*listed)["allowed_ips_at_controllers"]) {
          expected.push_back(prefix);
        }
        EXPECT_THAT(network_test::strings(peer.allowed_ips),
                    testing::UnorderedElementsAreArray(expected));
        EXPECT_FALSE(peer.endpoint.has_value());
        EXPECT_FALSE(peer.persistent_keepalive.has_value());
      }
    }
    for (const json& peer : network["peers"]) {
      const HostPlan plan = network_test::good_plan(parsed, peer["name"]);
      std::vector<std::string> expected;
      std::vector<std::string> addresses;
      for (const auto& address : peer["addresses"]) {
        expected.push_back(address.get<std::string>() + "/56");
      }
      for (const InterfaceAddress& address : plan.interface.addresses) {
        addresses.push_back(address.to_string());
      }
      EXPECT_THAT(addresses, testing::UnorderedElementsAreArray(expected));
      EXPECT_FALSE(plan.interface.listen_port.has_value());
      ASSERT_EQ(plan.peers.size(), network["controllers"].size());
      for (const PlanPeer& controller : plan.peers) {
        EXPECT_EQ(controller.persistent_keepalive, 25);
        EXPECT_TRUE(controller.endpoint.has_value());
        ASSERT_EQ(controller.allowed_ips.size(), 1U);
        EXPECT_EQ(controller.allowed_ips[0].length(), kControllerPrefixLen);
      }
    }
  }
}

TEST(NetworkVectors, NodeIdAddresses) {
  ASSERT_FALSE(vectors()["node_ips"].empty());
  for (const json& node : vectors()["node_ips"]) {
    std::unordered_set<IpAddress> used;
    if (node.contains("used")) {
      for (const json& address : node["used"]) {
        used.insert(*IpAddress::parse(address.get<std::string>()));
      }
    }
    const auto address = node_address(*Prefix::parse(node["subnet"].get<std::string>()),
                                      node["node_id"].get<std::string>(), used);
    ASSERT_TRUE(address.has_value());
    EXPECT_EQ(address->to_string(), node["ip"]);
  }
}

TEST(NodeId, LastOctetIsNeitherZeroNor255) {
  const Prefix subnet = *Prefix::parse("10.50.0.0/16");
  EXPECT_EQ(node_address(subnet, "node120", {})->to_string(), "10.50.74.1");  // hashes to …4a00
  EXPECT_EQ(node_address(subnet, "node237", {})->to_string(), "10.50.130.254");  // to …82ff
}

TEST(NodeId, NoAddressIsLeftWhenAllProbesAreTaken) {
  const Prefix subnet = *Prefix::parse("10.9.8.4/30");
  const std::unordered_set<IpAddress> used = {
      *IpAddress::parse("10.9.8.4"), *IpAddress::parse("10.9.8.5"), *IpAddress::parse("10.9.8.6"),
      *IpAddress::parse("10.9.8.7")};
  EXPECT_FALSE(node_address(subnet, "anvil", used).has_value());
}

TEST(NodeId, TwoNamesWithOneHashGetTwoAddressesWhateverTheFilesOrder) {
  const std::string one = network_test::member_text("node72", 1, "");
  const std::string two = network_test::member_text("node142", 2, "");
  const LoadedNetwork loaded = load_network(network_test::kNodeId + one + two);
  ASSERT_TRUE(loaded.usable()) << network_test::all_text(loaded.problems);
  EXPECT_THAT(loaded.problems, testing::ElementsAre(network_test::says({"warning", "node72"})));
  const HostPlan first = network_test::good_plan(loaded.network, "node72");
  const HostPlan second = network_test::good_plan(
      network_test::good_network(network_test::kNodeId + two + one), "node72");
  EXPECT_EQ(first, second);
  EXPECT_EQ(first.peers[0].address.to_string(), "10.50.238.103");
  EXPECT_NE(first.interface.addresses[0].address, first.peers[0].address);
}

}  // namespace
}  // namespace hawser
