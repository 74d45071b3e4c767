// The host's routes at the device: what differs is written, and nobody waits for it.
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <random>
#include <set>

#include "base/wire.h"
#include "tests/dataplane/hub.h"

namespace hawser::testing {
namespace {

#if defined(__SANITIZE_THREAD__)
constexpr std::size_t kFullTable = 50'000;  // the rest only adds to its slowness
#else
constexpr std::size_t kFullTable = 1'000'000;
#endif

std::vector<Prefix> full_table() {
  std::vector<Prefix> routes;
  routes.reserve(kFullTable);
  for (std::uint32_t i = 0; i < kFullTable; ++i) {
    IpAddress address;
    store_be32(address.bytes.data(), 0x0b000000U + (i << 8));
    routes.emplace_back(address, 24);
  }
  return routes;
}

// A request or a handshake may hold the device's lock for as long as it likes, and the other way
// round.
TEST(HostRoutes, AMillionOfThemNeedNotTheDevicesLock) {
  Hub net;
  HostRoutes routes;
  routes.routes = full_table();
  Device& device = net.hub.device();
  std::future<void> done;
  {
    const std::lock_guard lock(DeviceInspector::state(device).mutex);
    done = std::async(std::launch::async, [&] { device.set_host_routes(routes); });
    EXPECT_EQ(done.wait_for(std::chrono::minutes(5)), std::future_status::ready);
  }
  done.get();
  const auto match = DeviceInspector::state(device).host_routes.lookup(address("11.1.2.3"));
  ASSERT_NE(match.value, nullptr);
  EXPECT_EQ(match.length, 24U);
}

// What a change costs the table does not depend on what else is in it.
TEST(HostRoutes, OnlyWhatDiffersIsWritten) {
  QuiescentDomain domain;
  HostRouteTable table(domain);
  HostRoutes routes;
  routes.own_addresses = {address("10.0.0.1")};
  routes.routes = full_table();
  routes.routes.push_back(prefix("10.0.0.1/32"));
  EXPECT_EQ(table.set(routes, {}), kFullTable + 2);
  EXPECT_EQ(table.set(routes, {}), 0U);
  routes.routes[7] = prefix("2001:db8::/32");
  EXPECT_EQ(table.set(routes, {}), 2U);

  HostRoutes change;
  change.own_addresses = routes.own_addresses;
  change.is_change = true;
  change.routes = {prefix("11.0.7.0/24"), prefix("11.0.6.0/24")};
  change.gone_routes = {prefix("2001:db8::/32"), prefix("192.0.2.0/24")};
  EXPECT_EQ(table.set(change, {}), 2U) << "one came, one went; the others say nothing new";
  EXPECT_EQ(table.lookup(address("11.0.7.1")).length, 24U);
  EXPECT_EQ(table.lookup(address("2001:db8::1")).value, nullptr);

  // An address that goes leaves the route that is as long.
  EXPECT_TRUE(table.lookup(address("10.0.0.1")).value->own_address);
  change = {};
  change.is_change = true;
  EXPECT_EQ(table.set(change, {}), 1U);
  ASSERT_NE(table.lookup(address("10.0.0.1")).value, nullptr);
  EXPECT_FALSE(table.lookup(address("10.0.0.1")).value->own_address);
  domain.reclaim();
}

// Where TUN is elsewhere, its namespace's addresses are not those of the outer packets.
TEST(HostRoutes, OuterAddressesAreOurOwnUnlessTheyAreNamed) {
  QuiescentDomain domain;
  HostRouteTable table(domain);
  HostRoutes routes;
  routes.own_addresses = {address("10.0.0.1")};
  table.set(routes, {});
  EXPECT_TRUE(table.is_outer_address(address("10.0.0.1")));
  routes.outer_addresses = {address("192.0.2.1")};
  table.set(routes, {});
  EXPECT_FALSE(table.is_outer_address(address("10.0.0.1")));
  EXPECT_TRUE(table.is_outer_address(address("192.0.2.1")));
  EXPECT_EQ(table.lookup(address("192.0.2.1")).value, nullptr);
  EXPECT_TRUE(table.lookup(address("10.0.0.1")).value->own_address);
  routes.outer_addresses.reset();
  table.set(routes, {});
  EXPECT_TRUE(table.is_outer_address(address("10.0.0.1")));
  EXPECT_FALSE(table.is_outer_address(address("192.0.2.1")));
  domain.reclaim();
}

TEST(HostRoutes, ChangesAgreeWithTellingAll) {
  std::mt19937 random(3);
  const auto some = [&] {
    IpAddress address;
    address.bytes[0] = static_cast<std::uint8_t>(random() % 16);
    return Prefix(address, 8);
  };
  QuiescentDomain domain;
  HostRouteTable table(domain);
  table.set({}, {});
  std::set<Prefix> model;
  for (int round = 0; round < 500; ++round) {
    HostRoutes told;
    told.is_change = random() % 4 != 0;
    std::set<Prefix> came;
    std::set<Prefix> gone;
    for (int i = 0; i < 3; ++i) came.insert(some());
    for (int i = 0; i < 3; ++i) gone.insert(some());
    for (const Prefix& prefix : came) gone.erase(prefix);
    if (!told.is_change) model.clear();
    for (const Prefix& prefix : gone) model.erase(prefix);
    model.insert(came.begin(), came.end());
    told.routes.assign(came.begin(), came.end());
    if (told.is_change) told.gone_routes.assign(gone.begin(), gone.end());
    table.set(told, {});
    for (std::uint8_t i = 0; i < 16; ++i) {
      IpAddress address;
      address.bytes[0] = i;
      ASSERT_EQ(table.lookup(address).value != nullptr, model.contains(Prefix(address, 8)));
    }
  }
  domain.reclaim();
}

}  // namespace
}  // namespace hawser::testing
