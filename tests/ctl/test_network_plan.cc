// From a host's plan to what the device is told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <utility>

#include "ctl/plan_change.h"
#include "dataplane/device.h"
#include "tests/network/support.h"
#include "tests/sim/seeded_random.h"

namespace hawser {
namespace {

using network_test::controller_text;
using network_test::good_network;
using network_test::good_plan;
using network_test::kFullMesh;
using network_test::kVpn;
using network_test::member_text;
using network_test::peer_text;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::SeededRandom;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

PublicKey key_of(std::uint32_t number) { return network_test::private_key(number).derive_public(); }

const std::string kTwoAndTwo = kVpn + controller_text("server1", 1) +
                               controller_text("server2", 2) +
                               peer_text("laptop1", 3, "controller = \"server1\"\n") +
                               peer_text("printer", 4,
                                         "controller = \"server2\"\n"
                                         "allowed_ips = [\"192.168.7.0/24\"]\n");

HostPlan plan_of(const std::string& text, const std::string& host) {
  return good_plan(good_network(text), host);
}

const PeerChange& change_of(const DeviceChange& change, std::uint32_t number) {
  const PublicKey key = key_of(number);
  const auto found = std::find_if(change.peers.begin(), change.peers.end(),
                                  [&](const PeerChange& peer) { return peer.public_key == key; });
  EXPECT_NE(found, change.peers.end());
  return *found;
}

std::vector<std::string> prefixes_of(const PeerChange& peer) {
  std::vector<std::string> texts;
  for (const AllowedIpChange& item : peer.allowed_ips) {
    EXPECT_FALSE(item.remove);
    texts.push_back(item.prefix.to_string());
  }
  return texts;
}

TEST(PlanChange, NamesAllPeersAndNoOthers) {
  const HostPlan plan = plan_of(kTwoAndTwo, "laptop1");
  const DeviceChange change = plan_change(plan, nullptr, {});
  EXPECT_TRUE(change.replace_peers);
  EXPECT_FALSE(change.private_key.has_value());
  EXPECT_FALSE(change.listen_port.has_value());
  ASSERT_THAT(change.peers, SizeIs(2));
  for (std::size_t i = 0; i < plan.peers.size(); ++i) {
    EXPECT_EQ(change.peers[i].public_key, plan.peers[i].public_key);
    EXPECT_THAT(prefixes_of(change.peers[i]), network_test::strings(plan.peers[i].allowed_ips));
    EXPECT_EQ(change.peers[i].persistent_keepalive, 25);
  }
  EXPECT_EQ(change_of(change, 1).endpoint->to_string(), "192.0.2.1:51820");
}

TEST(PlanChange, GivesEndpointsOnlyWhereTheyAreNewOrChanged) {
  const HostPlan before = plan_of(kTwoAndTwo, "laptop1");
  HostPlan after = before;
  after.peers[1].endpoint->port = 4711;
  PlanPeer added = before.peers[0];
  added.public_key = key_of(9);
  after.peers.push_back(added);
  const DeviceChange change = plan_change(after, &before, {});
  EXPECT_FALSE(change_of(change, 1).endpoint.has_value());
  EXPECT_EQ(change_of(change, 2).endpoint->port, 4711);
  EXPECT_TRUE(change_of(change, 9).endpoint.has_value());
}

TEST(PlanChange, LeavesEndpointsByNameToTheResolver) {
  HostPlan plan = plan_of(kTwoAndTwo, "laptop1");
  plan.peers[0].endpoint = EndpointName{"vpn1.example.com", 51820};
  EXPECT_FALSE(plan_change(plan, nullptr, {}).peers[0].endpoint.has_value());
}

TEST(PlanChange, NamesThePortOnlyWhereItChanged) {
  const HostPlan before = plan_of(kTwoAndTwo, "server1");
  EXPECT_FALSE(plan_change(before, &before, {}).listen_port.has_value());
  HostPlan after = before;
  after.interface.listen_port = 443;
  EXPECT_EQ(plan_change(after, &before, {}).listen_port, 443);
  after.interface.listen_port.reset();
  EXPECT_EQ(plan_change(after, &before, {}).listen_port, 0);
}

TEST(PlanChange, TakesPresharedKeysFromTheirFilesAndAwayWithThem) {
  HostPlan plan = plan_of(kTwoAndTwo, "laptop1");
  plan.peers[0].preshared_key_file = "a.psk";
  PresharedKeys keys;
  std::array<std::uint8_t, kKeyLen> bytes{};
  bytes[5] = 7;
  keys.emplace("a.psk", PresharedKey(bytes));
  const DeviceChange change = plan_change(plan, nullptr, keys);
  ASSERT_TRUE(change.peers[0].preshared_key.has_value());
  EXPECT_TRUE(equal_constant_time(change.peers[0].preshared_key->bytes(), bytes));
  ASSERT_TRUE(change.peers[1].preshared_key.has_value());
  EXPECT_TRUE(change.peers[1].preshared_key->is_zero());
}

TEST(PlanOverlay, APeerGoesThroughEitherController) {
  const HostPlan plan = plan_of(kTwoAndTwo, "laptop1");
  const Overlay overlay = plan_overlay(plan);
  std::map<std::string, std::vector<PublicKey>> routes;
  for (const OverlayRoute& route : overlay.routes) {
    routes[route.destination.to_string()] = route.via;
  }
  // Each controller's subnet through itself first, the LAN behind printer through its controller.
  EXPECT_THAT(routes[plan.peers[0].allowed_ips.front().to_string()],
              ElementsAre(key_of(1), key_of(2)));
  EXPECT_THAT(routes["192.168.7.0/24"], ElementsAre(key_of(2), key_of(1)));
  EXPECT_THAT(routes, SizeIs(3));
  ASSERT_THAT(overlay.accepts, SizeIs(3));
  for (const OverlayAccept& accept : overlay.accepts) {
    EXPECT_THAT(accept.from, UnorderedElementsAre(key_of(1), key_of(2)));
  }
  ASSERT_THAT(overlay.controllers, SizeIs(2));
  for (std::size_t i = 0; i < 2; ++i) {
    const OverlayWatch& controller = overlay.controllers[i];
    EXPECT_EQ(controller.key, plan.peers[i].public_key);
    const Prefix subnet(controller.peer_address, 56);
    EXPECT_TRUE(subnet.contains(controller.own_address));
    EXPECT_TRUE(subnet == plan.peers[i].allowed_ips.front());
    const auto& own = plan.interface.addresses;
    EXPECT_TRUE(std::any_of(own.begin(), own.end(), [&](const InterfaceAddress& address) {
      return address.address == controller.own_address;
    }));
  }
  EXPECT_THAT(overlay.goodbyes, IsEmpty()) << "a peer may go without a word";
}

TEST(PlanOverlay, AControllerWatchesTheOthersAndTellsEverybody) {
  const HostPlan plan = plan_of(kTwoAndTwo, "server1");
  const Overlay overlay = plan_overlay(plan);
  ASSERT_THAT(overlay.controllers, SizeIs(1));
  EXPECT_EQ(overlay.controllers[0].key, key_of(2));
  EXPECT_EQ(overlay.controllers[0].own_address, plan.interface.addresses[0].address);

  ASSERT_THAT(overlay.goodbyes, SizeIs(3));
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(overlay.goodbyes[i].key, plan.peers[i].public_key);
    EXPECT_EQ(overlay.goodbyes[i].own_address, plan.interface.addresses[0].address);
    EXPECT_EQ(overlay.goodbyes[i].peer_address, plan.peers[i].address);
  }
  // The peer itself first, then the other controller; the other controller only by itself.
  for (const OverlayRoute& route : overlay.routes) {
    ASSERT_THAT(route.via, SizeIs(2));
    EXPECT_EQ(route.via.back(), key_of(2));
    EXPECT_NE(route.via.front(), key_of(2));
  }
  EXPECT_THAT(overlay.routes, SizeIs(5)) << "two peers in two subnets, and the LAN";
}

TEST(PlanOverlay, IsEmptyWhereNobodyStandsInForAnother) {
  const std::string text =
      kFullMesh + member_text("a", 1, "10.42.0.1") + member_text("b", 2, "10.42.0.2");
  EXPECT_TRUE(plan_overlay(plan_of(text, "a")).empty());
}

TEST(PlanChange, OnADeviceAReloadLeavesARoamedEndpointWhereItIs) {
  SeededRandom random(1);
  Device device({}, random);
  const Now now{};
  const HostPlan before = plan_of(kTwoAndTwo, "laptop1");
  ASSERT_TRUE(device.apply(plan_change(before, nullptr, {}), now).ok());
  DeviceChange roam;
  PeerChange& peer = roam.peers.emplace_back();
  peer.public_key = key_of(1);
  peer.endpoint.emplace();
  peer.endpoint->address = *IpAddress::parse("198.51.100.9");
  peer.endpoint->port = 7;
  ASSERT_TRUE(device.apply(std::move(roam), now).ok());

  HostPlan after = before;
  after.peers[0].persistent_keepalive = 5;
  ASSERT_TRUE(device.apply(plan_change(after, &before, {}), now).ok());
  const auto view = device.view_peer(key_of(1), now.boot);
  ASSERT_TRUE(view.has_value());
  EXPECT_EQ(view->endpoint->to_string(), "198.51.100.9:7");
  EXPECT_EQ(view->persistent_keepalive, 5);
  EXPECT_TRUE(view->is_controller);
  EXPECT_FALSE(device.view_peer(key_of(8), now.boot).has_value());
}

PublicKey numbered_key(std::uint32_t number) {
  PublicKey key;
  for (std::size_t i = 0; i < 4; ++i) {
    key.bytes[i] = static_cast<std::uint8_t>(number >> (8 * i));
  }
  key.bytes[31] = 1;
  return key;
}

HostPlan plan_with(const std::vector<std::pair<std::uint32_t, std::uint32_t>>& keys,
                   std::uint16_t port) {
  HostPlan plan;
  for (const auto& [key, next] : keys) {
    PlanPeer& peer = plan.peers.emplace_back();
    peer.public_key = numbered_key(key);
    if (next != 0) peer.public_key_next = numbered_key(next);
    peer.endpoint = EndpointName{"192.0.2.1", static_cast<std::uint16_t>(port + plan.peers.size())};
  }
  return plan;
}

// The endpoint says which of the earlier peers it was taken for.
TEST(PlanChange, FindsAPeerUnderItsNextKeyAsAWalkThroughAllOfThemDoes) {
  std::mt19937 random(7);
  const auto below = [&](std::uint32_t bound) {
    return std::uniform_int_distribution<std::uint32_t>(0, bound - 1)(random);
  };
  for (int round = 0; round < 2000; ++round) {
    const auto some = [&] {
      std::vector<std::pair<std::uint32_t, std::uint32_t>> keys(1 + below(4));
      for (auto& [key, next] : keys) key = 1 + below(6), next = below(7);
      return keys;
    };
    const HostPlan before = plan_with(some(), 100);
    HostPlan after = plan_with(some(), 200);
    for (PlanPeer& peer : after.peers) {
      const auto same =
          std::find_if(before.peers.begin(), before.peers.end(),
                       [&](const PlanPeer& other) { return is_same_peer(other, peer); });
      if (same != before.peers.end()) peer.endpoint = same->endpoint;
      const DeviceChange change = plan_change(after, &before, {});
      const auto index = static_cast<std::size_t>(&peer - after.peers.data());
      EXPECT_EQ(change.peers[index].endpoint.has_value(), same == before.peers.end());
    }
  }
}

// With a walk through all of them for each, this one takes minutes.
TEST(PlanChange, OfVeryManyPeersIsOneWalk) {
  std::vector<std::pair<std::uint32_t, std::uint32_t>> keys;
  for (std::uint32_t i = 1; i <= 100'000; ++i) keys.emplace_back(i, i % 2 == 0 ? i + 1'000'000 : 0);
  const HostPlan before = plan_with(keys, 1);
  const DeviceChange change = plan_change(before, &before, {});
  ASSERT_THAT(change.peers, SizeIs(keys.size()));
  EXPECT_TRUE(std::none_of(change.peers.begin(), change.peers.end(),
                           [](const PeerChange& peer) { return peer.endpoint.has_value(); }));
}

}  // namespace
}  // namespace hawser
