// Addresses, routes and MTU as a plan wants them: the two halves of a change, and what is undone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "base/wire.h"
#include "ctl/exit_routing.h"
#include "ctl/interface_keeper.h"
#include "ctl/interface_setup.h"
#include "tests/ctl/temporary_directory.h"
#include "tests/tun/namespace.h"
#include "tun/netlink_config.h"
#include "tun/tun_device.h"

namespace hawser {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

// Keeps what is there in a log that tests share, since the port belongs to the setup.
class FakePort : public InterfacePort {
 public:
  struct Kernel {
    std::vector<std::string> there;
    std::vector<std::string> done;
    std::string refused;  // what has this in its text
    int code = EPERM;     // and why
    std::uint32_t followed = 0;
  };
  explicit FakePort(Kernel& kernel) : kernel_(kernel) {}

  void follow(std::uint32_t ifindex) override { kernel_.followed = ifindex; }
  Status bring_up() override { return act("up", "up", true); }
  Status set_mtu(std::uint32_t mtu) override { return act("mtu " + std::to_string(mtu), "", true); }
  Status add_address(const InterfaceAddress& address) override {
    return act("+" + address.to_string(), address.to_string(), true);
  }
  Status remove_address(const InterfaceAddress& address) override {
    return act("-" + address.to_string(), address.to_string(), false);
  }
  Status add_route(const TunnelRoute& route) override {
    return act("+" + with_source(route), route.prefix.to_string(), true);
  }
  Status replace_route(const TunnelRoute& route) override {
    return act("=" + with_source(route), route.prefix.to_string(), true);
  }
  Status remove_route(const TunnelRoute& route) override {
    return act("-" + route.prefix.to_string(), route.prefix.to_string(), false);
  }

  Status add_rule(const PolicyRule& rule) override {
    return act("+" + rule_text(rule), rule_text(rule), true);
  }
  Status remove_rule(const PolicyRule& rule) override {
    return act("-" + rule_text(rule), rule_text(rule), false);
  }
  Status remove_leftovers() override { return {}; }

 private:
  static std::string rule_text(const PolicyRule& rule) {
    return std::string(rule.family == IpFamily::kV4 ? "v4" : "v6") + " rule " +
           std::to_string(rule.priority);
  }
  static std::string with_source(const TunnelRoute& route) {
    return route.prefix.to_string() + (route.source ? " src " + route.source->to_string() : "");
  }
  Status act(const std::string& action, const std::string& what, bool add) {
    if (!kernel_.refused.empty() && action == kernel_.refused) {
      return Error{"no " + action, kernel_.code};
    }
    kernel_.done.push_back(action);
    std::erase(kernel_.there, what);
    if (add && !what.empty()) kernel_.there.push_back(what);
    return {};
  }
  Kernel& kernel_;
};

InterfaceSettings settings(std::vector<const char*> addresses, std::vector<const char*> routes,
                           std::uint32_t mtu = 1420) {
  InterfaceSettings out;
  out.mtu = mtu;
  for (const std::string text : addresses) {
    const std::size_t slash = text.find('/');
    out.addresses.push_back({*IpAddress::parse(text.substr(0, slash)),
                             static_cast<unsigned>(std::stoul(text.substr(slash + 1)))});
  }
  for (const std::string text : routes) {
    const std::size_t space = text.find(' ');
    TunnelRoute route{*Prefix::parse(text.substr(0, space)), kMainTable, {}};
    if (space != std::string::npos) route.source = IpAddress::parse(text.substr(space + 1));
    out.routes.push_back(route);
  }
  return out;
}

// Routes of ours, and how often somebody asked for one. There may be any number of others.
class ListedRoutes : public TunnelRoutes {
 public:
  bool has_way(const TunnelRoute& way) const override {
    ++num_questions;
    return std::any_of(list.begin(), list.end(),
                       [&](const TunnelRoute& route) { return route.same_way(way); });
  }
  bool has(const TunnelRoute& route) const override {
    ++num_questions;
    return std::find(list.begin(), list.end(), route) != list.end();
  }
  std::vector<TunnelRoute> list;
  mutable std::size_t num_questions = 0;
};

// As the kernel has it: "10.0.0.1/24" brings its own route where it is not a host's.
TunnelState kernel_state(std::vector<const char*> addresses, std::vector<const char*> routes) {
  const InterfaceSettings is = settings(std::move(addresses), std::move(routes));
  const auto listed = std::make_shared<ListedRoutes>();
  TunnelState state;
  state.up = true;
  for (const InterfaceAddress& address : is.addresses) {
    state.addresses.push_back({address.address, address.prefix_len});
    listed->list.push_back({address.connected(), kMainTable, {}});
  }
  listed->list.insert(listed->list.end(), is.routes.begin(), is.routes.end());
  state.routes = listed;
  return state;
}

std::vector<TunnelRoute>& routes_of(const TunnelState& state) {
  return std::const_pointer_cast<ListedRoutes>(
             std::dynamic_pointer_cast<const ListedRoutes>(state.routes))
      ->list;
}

class InterfaceSetupTest : public ::testing::Test {
 protected:
  FakePort::Kernel kernel_;
  std::vector<std::string> log_;
  std::unique_ptr<InterfaceSetup> setup_ = std::make_unique<InterfaceSetup>(
      std::make_unique<FakePort>(kernel_),
      [this](LogLevel, const std::string& line) { log_.push_back(line); });
};

TEST_F(InterfaceSetupTest, BringsTheLinkUpBetweenAddressesAndRoutes) {
  ASSERT_TRUE(setup_->extend(settings({"10.0.0.1/24", "fd00::1/56"}, {"192.168.7.0/24"})).ok());
  EXPECT_THAT(kernel_.done,
              ElementsAre("mtu 1420", "+10.0.0.1/24", "+fd00::1/56", "up", "+192.168.7.0/24"));
  setup_.reset();
  EXPECT_THAT(kernel_.there, ElementsAre("up"));
}

TEST_F(InterfaceSetupTest, AppliesTheDifferenceAndNothingElse) {
  ASSERT_TRUE(setup_->extend(settings({"10.0.0.1/24"}, {"10.1.0.0/16", "10.2.0.0/16"})).ok());
  kernel_.done.clear();
  const InterfaceSettings wanted =
      settings({"10.0.0.1/24", "10.0.0.2/24"}, {"10.2.0.0/16", "10.3.0.0/16"}, 1400);
  ASSERT_TRUE(setup_->extend(wanted).ok());
  EXPECT_THAT(kernel_.done, ElementsAre("mtu 1400", "+10.0.0.2/24", "+10.3.0.0/16"));
  kernel_.done.clear();
  setup_->reduce(wanted);
  EXPECT_THAT(kernel_.done, ElementsAre("-10.1.0.0/16"));
  kernel_.done.clear();
  ASSERT_TRUE(setup_->extend(wanted).ok());
  setup_->reduce(wanted);
  EXPECT_THAT(kernel_.done, IsEmpty());
}

TEST_F(InterfaceSetupTest, AFailureHalfWayIsUndone) {
  const InterfaceSettings before = settings({"10.0.0.1/24", "fd00::1/64"}, {"10.1.0.0/16"});
  ASSERT_TRUE(setup_->extend(before).ok());
  const auto there = kernel_.there;
  kernel_.refused = "+10.9.0.0/16";
  const Status refused = setup_->extend(
      settings({"10.0.0.1/24", "fd00::1/56", "10.0.0.7/24"}, {"10.8.0.0/16", "10.9.0.0/16"}, 1300));
  EXPECT_EQ(refused.error().code, EPERM);
  EXPECT_THAT(kernel_.there, ::testing::UnorderedElementsAreArray(there));
  EXPECT_EQ(kernel_.done.back(), "mtu 1420");
  EXPECT_THAT(log_, IsEmpty());
  // And it knows what it has: nothing is left over at the end.
  setup_.reset();
  EXPECT_THAT(kernel_.there, ElementsAre("up"));
}

TEST_F(InterfaceSetupTest, AFirstStartThatFailsLeavesNothing) {
  kernel_.refused = "up";
  EXPECT_FALSE(setup_->extend(settings({"10.0.0.1/24"}, {"10.1.0.0/16"})).ok());
  EXPECT_THAT(kernel_.there, IsEmpty());
}

TEST_F(InterfaceSetupTest, AnAddressWithAnotherLengthTakesItsOwnPlace) {
  ASSERT_TRUE(setup_->extend(settings({"fd00::1/64"}, {})).ok());
  const InterfaceSettings wanted = settings({"fd00::1/56"}, {});
  ASSERT_TRUE(setup_->extend(wanted).ok());
  setup_->reduce(wanted);
  EXPECT_THAT(kernel_.there, UnorderedElementsAre("up", "fd00::1/56"));
}

TEST_F(InterfaceSetupTest, ARouteWithAnotherSourceTakesItsOwnPlace) {
  const InterfaceSettings before =
      settings({"10.0.0.1/24", "10.0.0.2/24"}, {"10.1.0.0/16 10.0.0.1"});
  ASSERT_TRUE(setup_->extend(before).ok());
  const InterfaceSettings wanted =
      settings({"10.0.0.1/24", "10.0.0.2/24"}, {"10.1.0.0/16 10.0.0.2", "10.2.0.0/16"});
  kernel_.refused = "+10.2.0.0/16";
  kernel_.done.clear();
  EXPECT_FALSE(setup_->extend(wanted).ok());
  EXPECT_THAT(kernel_.done, ElementsAre("=10.1.0.0/16 src 10.0.0.2", "=10.1.0.0/16 src 10.0.0.1"));
  kernel_.refused.clear();
  kernel_.done.clear();
  ASSERT_TRUE(setup_->extend(wanted).ok());
  setup_->reduce(wanted);
  EXPECT_THAT(kernel_.done, ElementsAre("=10.1.0.0/16 src 10.0.0.2", "+10.2.0.0/16"));
}

TEST_F(InterfaceSetupTest, WhatOthersRemovedIsNewAgain) {
  const InterfaceSettings wanted = settings({"10.0.0.1/24", "fd00::1/56"}, {"10.1.0.0/16"});
  ASSERT_TRUE(setup_->extend(wanted).ok());
  setup_->see(kernel_state({"10.0.0.1/24"}, {}));
  kernel_.done.clear();
  ASSERT_TRUE(setup_->extend(wanted).ok());
  EXPECT_THAT(kernel_.done, ElementsAre("+fd00::1/56", "+10.1.0.0/16"));
}

TEST_F(InterfaceSetupTest, OfAnInterfaceThatIsDownAReloadWaitsWithTheRoutes) {
  ASSERT_TRUE(setup_->extend(settings({"10.0.0.1/24"}, {"10.1.0.0/16"})).ok());
  TunnelState down = kernel_state({"10.0.0.1/24"}, {});
  down.up = false;
  setup_->see(down);
  kernel_.done.clear();
  ASSERT_TRUE(setup_->extend(settings({"10.0.0.2/24"}, {"10.1.0.0/16", "10.2.0.0/16"})).ok());
  EXPECT_THAT(kernel_.done, ElementsAre("+10.0.0.2/24"));
}

TEST_F(InterfaceSetupTest, WhatCanBePutBackIsPutBack) {
  const InterfaceSettings wanted =
      settings({"10.0.0.1/24", "fd00::1/56"}, {"10.1.0.0/16", "10.2.0.0/16"});
  ASSERT_TRUE(setup_->extend(wanted).ok());
  const TunnelState seen = kernel_state({"10.0.0.1/24"}, {});
  setup_->see(seen);
  kernel_.done.clear();
  kernel_.refused = "+fd00::1/56";
  EXPECT_EQ(setup_->put_back(InterfaceLack::find(wanted, seen)).error().code, EPERM);
  EXPECT_THAT(kernel_.done, ElementsAre("+10.1.0.0/16", "+10.2.0.0/16"));
  // And it is taken away at the end like all that is ours.
  setup_.reset();
  EXPECT_THAT(kernel_.there, UnorderedElementsAre("up", "fd00::1/56"));
}

TEST(InterfaceLackTest, NamesAddressesRoutesAndWaysThatAddressesBring) {
  const InterfaceSettings wanted =
      settings({"10.0.0.1/24", "fd00::1/56", "10.9.0.1/32"}, {"10.1.0.0/16", "fd05::/64"});
  EXPECT_TRUE(InterfaceLack::find(wanted, kernel_state({"10.0.0.1/24", "fd00::1/56", "10.9.0.1/32"},
                                                       {"10.1.0.0/16", "fd05::/64"}))
                  .empty());
  TunnelState seen = kernel_state({"fd00::1/56", "10.9.0.1/32"}, {"fd05::/64"});
  routes_of(seen).erase(routes_of(seen).begin());
  EXPECT_THAT(InterfaceLack::find(wanted, seen).items(),
              ElementsAre("address 10.0.0.1/24", "route fd00::/56", "route 10.1.0.0/16"));
  // The right address with another length is not the one.
  seen = kernel_state({"10.0.0.1/25", "fd00::1/56", "10.9.0.1/32"}, {"10.1.0.0/16", "fd05::/64"});
  EXPECT_THAT(InterfaceLack::find(wanted, seen).items(), ElementsAre("address 10.0.0.1/24"));
  seen.up = false;
  EXPECT_TRUE(InterfaceLack::find(wanted, seen).empty());
}

TEST(InterfaceLackTest, ARouteWhoseSourceIsGoneIsMadeAnew) {
  const InterfaceSettings wanted = settings({"fd00::1/56"}, {"fd05::/64 fd00::1", "fd06::/64"});
  const TunnelState seen = kernel_state({}, {"fd05::/64", "fd06::/64"});
  EXPECT_THAT(InterfaceLack::find(wanted, seen).items(),
              ElementsAre("address fd00::1/56", "route fd05::/64"));
}

// An address that was taken away and given anew within moments: the kernel has put nothing back.
TEST(InterfaceLackTest, ARouteThatLostItsSourceIsMadeAnew) {
  const InterfaceSettings wanted = settings({"fd00::1/56"}, {"fd05::/64 fd00::1", "fd06::/64"});
  const TunnelState seen = kernel_state({"fd00::1/56"}, {"fd05::/64", "fd06::/64"});
  EXPECT_THAT(InterfaceLack::find(wanted, seen).items(), ElementsAre("route fd05::/64"));
}

TEST_F(InterfaceSetupTest, ARouteThatLostItsSourceTakesItsOwnPlace) {
  const InterfaceSettings wanted = settings({"fd00::1/56"}, {"fd05::/64 fd00::1"});
  ASSERT_TRUE(setup_->extend(wanted).ok());
  const TunnelState seen = kernel_state({"fd00::1/56"}, {"fd05::/64"});
  setup_->see(seen);
  kernel_.done.clear();
  EXPECT_TRUE(setup_->put_back(InterfaceLack::find(wanted, seen)).ok());
  EXPECT_THAT(kernel_.done, ElementsAre("=fd05::/64 src fd00::1"));
  // So does a reload.
  setup_->see(seen);
  kernel_.done.clear();
  EXPECT_TRUE(setup_->extend(wanted).ok());
  EXPECT_THAT(kernel_.done, ElementsAre("=fd05::/64 src fd00::1"));
}

// What is asked follows from what is wanted, not from what leads into the interface besides.
TEST_F(InterfaceSetupTest, AFullTableThroughTheInterfaceCostsNothing) {
  const InterfaceSettings wanted = settings({"fd00::1/56"}, {"fd05::/64", "fd06::/64"});
  ASSERT_TRUE(setup_->extend(wanted).ok());
  InterfaceKeeper keeper("vpn", [](const InterfaceLack&) { return Status(); }, {});
  keeper.want(wanted, Instant{});
  std::vector<std::size_t> questions;
  for (const std::uint32_t num : {0U, 100'000U}) {
    const TunnelState seen = kernel_state({"fd00::1/56"}, {"fd05::/64", "fd06::/64"});
    for (std::uint32_t i = 0; i < num; ++i) {
      IpAddress address;
      store_be32(address.bytes.data(), 0x0b000000U + (i << 8));
      routes_of(seen).push_back({Prefix(address, 24), kMainTable, {}});
    }
    setup_->see(seen);
    keeper.see(seen, Instant{});
    questions.push_back(dynamic_cast<const ListedRoutes&>(*seen.routes).num_questions);
    EXPECT_TRUE(keeper.lack().empty());
  }
  EXPECT_THAT(questions, ElementsAre(5U, 5U)) << "two routes twice, and the address's own once";
}

TEST_F(InterfaceSetupTest, OfAnInterfaceThatIsElsewhereOnlyTheRulesAreOurs) {
  InterfaceSettings wanted = settings({"10.0.0.1/24"}, {"10.1.0.0/16"});
  wanted.routes.push_back({*Prefix::parse("0.0.0.0/0"), kExitTable, {}});
  wanted.rules = exit_rules(wanted.routes, kExitMark);
  ASSERT_TRUE(setup_->extend(wanted).ok());
  TunnelState moved = kernel_state({"10.0.0.1/24"}, {});  // somebody's
  moved.place = TunnelState::Place::kMoved;
  moved.rules = wanted.rules;
  setup_->see(moved);
  kernel_.done.clear();
  EXPECT_TRUE(setup_->extend(settings({"10.0.0.9/24"}, {"10.9.0.0/16"}, 1300)).ok());
  EXPECT_TRUE(setup_->put_back(InterfaceLack::find(wanted, moved)).ok());
  EXPECT_THAT(kernel_.done, IsEmpty());
  setup_.reset();
  EXPECT_THAT(kernel_.done, ElementsAre("-v4 rule 7200", "-v4 rule 7201"));
}

TEST_F(InterfaceSetupTest, AnMtuThatAPlanChangedMeanwhileIsSetWhenTheInterfaceIsBack) {
  ASSERT_TRUE(setup_->extend(settings({"10.0.0.1/24"}, {})).ok());
  const TunnelState home = kernel_state({"10.0.0.1/24"}, {});
  TunnelState moved = home;
  moved.place = TunnelState::Place::kMoved;
  setup_->see(moved);
  kernel_.done.clear();
  ASSERT_TRUE(setup_->extend(settings({"10.0.0.1/24"}, {}, 1300)).ok());
  setup_->see(moved);
  EXPECT_THAT(kernel_.done, IsEmpty());
  setup_->see(home);
  EXPECT_THAT(kernel_.done, ElementsAre("mtu 1300"));
  // Once: whoever changes it then means it. A change that was taken back is none.
  setup_->see(home);
  setup_->see(moved);
  setup_->see(home);
  setup_->see(moved);
  ASSERT_TRUE(setup_->extend(settings({"10.0.0.1/24"}, {}, 1400)).ok());
  ASSERT_TRUE(setup_->extend(settings({"10.0.0.1/24"}, {}, 1300)).ok());
  setup_->see(home);
  EXPECT_THAT(kernel_.done, ElementsAre("mtu 1300"));
}

// The index may be another's in the namespace that it was moved to, and so be another one for good.
TEST_F(InterfaceSetupTest, AnInterfaceThatIsBackIsActedOnByItsIndexOfNow) {
  TunnelState seen = kernel_state({"10.0.0.1/24"}, {});
  seen.ifindex = 2;
  ASSERT_TRUE(setup_->extend(settings({"10.0.0.1/24"}, {})).ok());
  setup_->see(seen);
  EXPECT_EQ(kernel_.followed, 2U);
  seen.place = TunnelState::Place::kMoved;
  seen.ifindex = 3;
  setup_->see(seen);
  EXPECT_EQ(kernel_.followed, 2U) << "it is not ours there";
  ASSERT_TRUE(setup_->extend(settings({"10.0.0.1/24"}, {}, 1300)).ok());
  seen.place = TunnelState::Place::kHome;
  kernel_.refused = "mtu 1300";
  kernel_.code = ENODEV;
  setup_->see(seen);
  EXPECT_EQ(kernel_.followed, 3U);
  kernel_.refused.clear();
  kernel_.done.clear();
  setup_->see(seen);
  EXPECT_THAT(kernel_.done, ElementsAre("mtu 1300")) << "it was gone again, and is back";
}

TEST_F(InterfaceSetupTest, RulesComeAfterTheRoutesThatTheyLeadToAndGoBefore) {
  InterfaceSettings wanted = settings({"10.0.0.1/24"}, {"10.1.0.0/16"});
  wanted.routes.push_back({*Prefix::parse("0.0.0.0/0"), kExitTable, {}});
  wanted.rules = exit_rules(wanted.routes, kExitMark);
  ASSERT_TRUE(setup_->extend(wanted).ok());
  EXPECT_THAT(kernel_.done, ElementsAre("mtu 1420", "+10.0.0.1/24", "up", "+10.1.0.0/16",
                                        "+0.0.0.0/0", "+v4 rule 7200", "+v4 rule 7201"));
  kernel_.done.clear();
  const InterfaceSettings without = settings({"10.0.0.1/24"}, {"10.1.0.0/16"});
  ASSERT_TRUE(setup_->extend(without).ok());
  setup_->reduce(without);
  EXPECT_THAT(kernel_.done, ElementsAre("-v4 rule 7200", "-v4 rule 7201", "-0.0.0.0/0"));
  // Somebody else's exit is in the table: its rules are not ours to take away.
  kernel_.refused = "+0.0.0.0/0";
  kernel_.done.clear();
  EXPECT_FALSE(setup_->extend(wanted).ok());
  EXPECT_THAT(kernel_.done, IsEmpty());
}

TEST(InterfaceLackTest, RulesOfAnExitAreMissed) {
  InterfaceSettings wanted = settings({}, {});
  wanted.routes.push_back({*Prefix::parse("::/0"), kExitTable, {}});
  wanted.rules = exit_rules(wanted.routes, kExitMark);
  TunnelState seen = kernel_state({}, {"::/0"});  // in the main table
  seen.rules = {wanted.rules[0]};
  EXPECT_THAT(InterfaceLack::find(wanted, seen).items(),
              ElementsAre("route ::/0", "rule 7201 for IPv6"));
  routes_of(seen).front().table = kExitTable;
  seen.rules.push_back(wanted.rules[1]);
  EXPECT_TRUE(InterfaceLack::find(wanted, seen).empty());
}

TEST(ExitRouting, FindsWhereTheReversePathFilterIsStrict) {
  const testing::TemporaryDirectory directory;
  const auto write = [&](const char* interface, int value) {
    std::filesystem::create_directory(directory.path() + "/" + interface);
    std::ofstream(directory.path() + "/" + interface + "/rp_filter") << value << "\n";
  };
  for (const char* const name : {"all", "default", "lo", "vpn", "eth0", "eth1"}) write(name, 0);
  EXPECT_THAT(strict_interfaces(directory.path(), "vpn"), IsEmpty());
  write("eth1", 1);
  EXPECT_THAT(strict_interfaces(directory.path(), "vpn"), ElementsAre("eth1"));
  write("all", 1);
  write("eth1", 2);
  EXPECT_THAT(strict_interfaces(directory.path(), "vpn"), ElementsAre("eth0"));
  write("all", 2);
  EXPECT_THAT(strict_interfaces(directory.path(), "vpn"), IsEmpty());
  EXPECT_THAT(strict_interfaces(directory.path() + "/none", "vpn"), IsEmpty());
}

// --- when to put back ---

class InterfaceKeeperTest : public ::testing::Test {
 protected:
  InterfaceKeeperTest() {
    keeper_.want(wanted_, now_);
    keeper_.see(whole_, now_);
  }
  // Until nothing is due any more, or `until`; what was put back when, in milliseconds.
  std::vector<int> run(Duration until) {
    std::vector<int> repairs;
    const Instant begin = now_;
    while (keeper_.due() && *keeper_.due() <= begin + until) {
      now_ = *keeper_.due();
      const std::size_t before = num_repairs_;
      keeper_.tick(now_);
      if (num_repairs_ > before) {
        repairs.push_back(static_cast<int>(
            std::chrono::duration_cast<std::chrono::milliseconds>(now_ - begin).count()));
      }
    }
    now_ = begin + until;
    return repairs;
  }

  const InterfaceSettings wanted_ = settings({"fd00::1/56"}, {"fd05::/64"});
  const TunnelState whole_ = kernel_state({"fd00::1/56"}, {"fd05::/64"});
  const TunnelState flushed_ = kernel_state({}, {});
  Instant now_{};
  Status answer_;
  bool works_ = true;  // what is put back is there
  std::size_t num_repairs_ = 0;
  std::vector<std::string> log_;
  InterfaceKeeper keeper_{"vpn",
                          [this](const InterfaceLack&) {
                            ++num_repairs_;
                            if (works_) keeper_.see(whole_, now_);
                            return answer_;
                          },
                          [this](LogLevel, const std::string& line) { log_.push_back(line); }};
};

TEST_F(InterfaceKeeperTest, PutsBackAtOnceWhatVanishedTogetherAndSaysSoInOneLine) {
  EXPECT_FALSE(keeper_.due().has_value());
  keeper_.see(kernel_state({}, {"fd05::/64"}), now_);
  now_ += std::chrono::milliseconds(50);
  keeper_.see(flushed_, now_);
  EXPECT_THAT(run(kKeeperQuiet), ElementsAre(50));
  EXPECT_THAT(log_, ElementsAre("vpn had lost address fd00::1/56, route fd05::/64; put back"));
  EXPECT_TRUE(keeper_.lack().empty());
}

TEST_F(InterfaceKeeperTest, WhoTakesItAwayAndGivesItAnewIsNotMet) {
  keeper_.see(flushed_, now_);
  now_ += std::chrono::milliseconds(99);
  keeper_.see(whole_, now_);
  EXPECT_THAT(run(kKeeperQuiet), IsEmpty());
  EXPECT_THAT(log_, IsEmpty());
}

TEST_F(InterfaceKeeperTest, DownIsAWish) {
  TunnelState down = flushed_;
  down.up = false;
  keeper_.see(down, now_);
  EXPECT_THAT(run(kKeeperQuiet), IsEmpty());
  EXPECT_TRUE(keeper_.lack().empty());
  // Up again, however often: what went with it returns.
  for (int i = 0; i < 20; ++i) {
    keeper_.see(flushed_, now_);
    EXPECT_FALSE(keeper_.lack().empty());
    EXPECT_THAT(run(std::chrono::milliseconds(200)), ElementsAre(100));
    keeper_.see(down, now_);
  }
}

TEST_F(InterfaceKeeperTest, AnInterfaceThatIsAwayIsLetAloneAndThatIsSaidOnce) {
  TunnelState away = flushed_;
  away.place = TunnelState::Place::kMoved;
  for (int i = 0; i < 3; ++i) {
    keeper_.see(away, now_);
    EXPECT_THAT(run(kKeeperQuiet), IsEmpty());
  }
  EXPECT_FALSE(keeper_.lack().empty()) << "the status tells the truth meanwhile";
  EXPECT_THAT(log_, ElementsAre("vpn was moved to another network namespace; addresses and routes "
                                "that it loses are not put back until it returns"));
  keeper_.see(flushed_, now_);
  EXPECT_THAT(run(kKeeperQuiet), ElementsAre(100));
  EXPECT_THAT(log_, ElementsAre(::testing::_, "vpn is back",
                                "vpn had lost address fd00::1/56, route fd05::/64; put back"));

  log_.clear();
  away.place = TunnelState::Place::kRenamed;
  away.name = "wg9";
  keeper_.see(flushed_, now_);  // the repair that is due is off
  keeper_.see(away, now_);
  EXPECT_THAT(run(kKeeperQuiet), IsEmpty());
  EXPECT_THAT(log_,
              ElementsAre("vpn was renamed to wg9; addresses and routes that it loses are not "
                          "put back until it is vpn again"));
}

TEST_F(InterfaceKeeperTest, WhoRemovesAgainAndAgainIsAnsweredEverMoreSeldom) {
  std::size_t in_first_hour = 0;
  for (int i = 0; i < 3600; ++i) {
    keeper_.see(flushed_, now_);
    in_first_hour += run(std::chrono::seconds(1)).size();
  }
  EXPECT_LE(in_first_hour, 70U);
  EXPECT_GE(in_first_hour, 55U);
  EXPECT_EQ(log_.size(), in_first_hour);
  // After a quiet time it is forgiven.
  keeper_.see(whole_, now_);
  now_ += kKeeperQuiet;
  keeper_.see(flushed_, now_);
  EXPECT_THAT(run(std::chrono::seconds(1)), ElementsAre(100));
}

TEST_F(InterfaceKeeperTest, WhatCannotBePutBackIsTriedAgainWithBackOff) {
  works_ = false;
  answer_ = Error{"IPv6 is switched off", EACCES};
  keeper_.see(flushed_, now_);
  EXPECT_THAT(run(std::chrono::seconds(16)), ElementsAre(100, 600, 1600, 3600, 7600, 15600));
  EXPECT_EQ(log_.front(),
            "vpn has lost address fd00::1/56, route fd05::/64; not all of it can be put back: IPv6 "
            "is switched off");
  EXPECT_FALSE(keeper_.lack().empty());
}

TEST_F(InterfaceKeeperTest, ANewLossDoesNotWaitForWhatCannotBePutBack) {
  works_ = false;
  const TunnelState without_address = kernel_state({}, {"fd05::/64"});
  keeper_.see(without_address, now_);
  run(std::chrono::seconds(100));
  EXPECT_GT(*keeper_.due() - now_, std::chrono::seconds(1));
  keeper_.see(flushed_, now_);
  EXPECT_THAT(run(std::chrono::seconds(1)), ElementsAre(100));
  // Who removes it again and again is answered no faster than before.
  keeper_.see(without_address, now_);
  keeper_.see(flushed_, now_);
  EXPECT_THAT(run(std::chrono::seconds(10)), IsEmpty());
  // A minute later that is a new loss.
  keeper_.see(without_address, now_);
  run(kKeeperMaxBackoff * 2);
  keeper_.see(flushed_, now_);
  EXPECT_THAT(run(std::chrono::milliseconds(200)), ElementsAre(100));
}

TEST_F(InterfaceKeeperTest, AReloadThatWantsLessEndsTheRepair) {
  works_ = false;
  keeper_.see(kernel_state({"fd00::1/56"}, {}), now_);
  run(std::chrono::seconds(3));
  keeper_.want(settings({"fd00::1/56"}, {}), now_);
  EXPECT_FALSE(keeper_.due().has_value());
}

TEST(InterfaceSetupInTheKernel, TakesAwayWhatItAddedAndNothingElse) {
  test::in_namespace([] {
    const auto tun = TunDevice::create("wg0", 1, 1420);
    ASSERT_TRUE(tun.ok()) << tun.error().message;
    const InterfaceSettings settings_before =
        settings({"10.0.0.1/24", "fd00::1/56"}, {"192.168.7.0/24", "fd05::/64"}, 1400);
    {
      InterfaceSetup setup(make_netlink_port(test::link("wg0")), {});
      const Status extended = setup.extend(settings_before);
      ASSERT_TRUE(extended.ok()) << extended.error().message;
      EXPECT_TRUE(test::run("ip link show wg0 | grep -q 'mtu 1400'"));
      EXPECT_TRUE(test::run("ip addr show wg0 | grep -q fd00::1/56"));
      EXPECT_TRUE(test::run("ip route show proto 72 | grep -q 192.168.7.0/24"));
      EXPECT_TRUE(test::run("ip -6 route show proto 72 | grep -q fd05::/64"));
      // The operator's own.
      ASSERT_TRUE(test::run("ip addr add 10.7.0.1/24 dev wg0"));
      ASSERT_TRUE(test::run("ip route add 10.8.0.0/16 dev wg0"));

      const InterfaceSettings wanted = settings({"fd00::1/64"}, {"fd06::/64"}, 1400);
      ASSERT_TRUE(setup.extend(wanted).ok());
      setup.reduce(wanted);
      EXPECT_TRUE(test::run("ip addr show wg0 | grep -q fd00::1/64"));
      EXPECT_FALSE(test::run("ip addr show wg0 | grep -q fd00::1/56"));
      EXPECT_FALSE(test::run("ip route show | grep -q 192.168.7.0/24"));
      EXPECT_FALSE(test::run("ip -6 route show | grep -q fd05::/64"));

      // Somebody else's route for the prefix, with our metric, refuses all of it.
      ASSERT_TRUE(test::run("ip route add 10.9.0.0/16 dev lo metric 1024"));
      const Status refused = setup.extend(settings({"10.3.0.1/24"}, {"10.9.0.0/16"}, 1300));
      ASSERT_FALSE(refused.ok());
      EXPECT_EQ(refused.error().code, EEXIST);
      EXPECT_FALSE(test::run("ip addr show wg0 | grep -q 10.3.0.1"));
      EXPECT_TRUE(test::run("ip link show wg0 | grep -q 'mtu 1400'"));
    }
    EXPECT_FALSE(
        test::run("ip route show proto 72 | grep -q .; ip -6 route show proto 72 | grep ."));
    EXPECT_FALSE(test::run("ip addr show wg0 | grep -q fd00::1"));
    EXPECT_TRUE(test::run("ip addr show wg0 | grep -q 10.7.0.1/24"));
    EXPECT_TRUE(test::run("ip route show | grep -q 10.8.0.0/16"));
    EXPECT_TRUE(test::run("ip route show | grep -q 10.9.0.0/16"));
    // Again is no error, wherever it has gone.
    EXPECT_TRUE(remove_route(test::link("wg0"), {*Prefix::parse("fd05::/64")}).ok());
    EXPECT_TRUE(remove_address(test::link("wg0"), *IpAddress::parse("fd00::1"), 56).ok());
  });
}

}  // namespace
}  // namespace hawser
