// Reload and confirmation, on virtual time; and the two halves of a change to the interface.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <deque>

#include "ctl/interface_setup.h"
#include "ctl/reload.h"

namespace hawser {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

LoadedPlan plan_of_mtu(std::uint32_t mtu) {
  LoadedPlan loaded;
  loaded.plan.network = "vpn";
  loaded.plan.interface.name = "vpn";
  loaded.plan.interface.mtu = mtu;
  return loaded;
}

// Plans are told apart by their MTU.
class ReloaderTest : public ::testing::Test {
 protected:
  ReloaderTest()
      : reloader_(
            {[this] { return load(); },
             [this](const LoadedPlan& from, const LoadedPlan& to) { return apply(from, to); }},
            plan_of_mtu(1000),
            [this](LogLevel, const std::string& line) { log_.push_back(line); }) {}

  Result<LoadedPlan> load() {
    if (file_ == 0) return Error{"network file vpn.toml is refused\nvpn.toml:3: error", EINVAL};
    return plan_of_mtu(file_);
  }
  Status apply(const LoadedPlan& from, const LoadedPlan& to) {
    EXPECT_EQ(from.plan.interface.mtu, device_);
    if (refuses_) return Error{"the port is in use", EADDRINUSE};
    device_ = to.plan.interface.mtu;
    return {};
  }
  std::uint32_t running() const { return reloader_.running().plan.interface.mtu; }
  static Instant at(int second) { return Instant{} + seconds(second); }

  std::uint32_t file_ = 1000;
  std::uint32_t device_ = 1000;
  bool refuses_ = false;
  std::vector<std::string> log_;
  Reloader reloader_;
};

TEST_F(ReloaderTest, RunsWhatTheFileHasNow) {
  file_ = 1001;
  EXPECT_TRUE(reloader_.reload(std::nullopt, at(0)).ok());
  EXPECT_EQ(device_, 1001U);
  EXPECT_EQ(running(), 1001U);
  EXPECT_FALSE(reloader_.deadline().has_value());
  EXPECT_EQ(reloader_.confirm().error().code, ENOENT);
}

TEST_F(ReloaderTest, AFileThatIsWrongChangesNothing) {
  file_ = 0;
  const Status refused = reloader_.reload(5, at(0));
  EXPECT_THAT(refused.error().message, HasSubstr("vpn.toml:3"));
  EXPECT_EQ(device_, 1000U);
  EXPECT_FALSE(reloader_.deadline().has_value());
}

TEST_F(ReloaderTest, WhatCannotBeAppliedLeavesTheOldPlan) {
  file_ = 1001;
  refuses_ = true;
  EXPECT_EQ(reloader_.reload(5, at(0)).error().code, EADDRINUSE);
  EXPECT_EQ(running(), 1000U);
  EXPECT_FALSE(reloader_.deadline().has_value());
}

TEST_F(ReloaderTest, AnUnconfirmedPlanGoesAndAConfirmedOneStays) {
  file_ = 1001;
  ASSERT_TRUE(reloader_.reload(30, at(0)).ok());
  EXPECT_EQ(device_, 1001U);
  EXPECT_EQ(reloader_.deadline(), at(30));
  reloader_.tick(at(29));
  EXPECT_EQ(device_, 1001U);
  reloader_.tick(at(30));
  EXPECT_EQ(device_, 1000U);
  EXPECT_EQ(running(), 1000U);
  EXPECT_FALSE(reloader_.deadline().has_value());
  EXPECT_FALSE(reloader_.confirm().ok());

  ASSERT_TRUE(reloader_.reload(30, at(100)).ok());
  EXPECT_TRUE(reloader_.confirm().ok());
  reloader_.tick(at(200));
  EXPECT_EQ(device_, 1001U);
}

TEST_F(ReloaderTest, TheLastConfirmedPlanComesBackHoweverManyFollowed) {
  file_ = 1001;
  ASSERT_TRUE(reloader_.reload(30, at(0)).ok());
  file_ = 1002;
  ASSERT_TRUE(reloader_.reload(30, at(20)).ok());
  EXPECT_EQ(reloader_.deadline(), at(50));
  reloader_.tick(at(50));
  EXPECT_EQ(device_, 1000U);
}

TEST_F(ReloaderTest, AReloadThatAsksForNoConfirmationIsFinal) {
  file_ = 1001;
  ASSERT_TRUE(reloader_.reload(30, at(0)).ok());
  file_ = 1002;
  ASSERT_TRUE(reloader_.reload(std::nullopt, at(20)).ok());
  reloader_.tick(at(100));
  EXPECT_EQ(device_, 1002U);
}

TEST_F(ReloaderTest, ARefusedReloadLeavesTheUnconfirmedOneWaiting) {
  file_ = 1001;
  ASSERT_TRUE(reloader_.reload(30, at(0)).ok());
  file_ = 0;
  EXPECT_FALSE(reloader_.reload(std::nullopt, at(10)).ok());
  reloader_.tick(at(30));
  EXPECT_EQ(device_, 1000U);
}

TEST_F(ReloaderTest, AnOldPlanThatCannotComeBackIsTriedAgain) {
  file_ = 1001;
  ASSERT_TRUE(reloader_.reload(30, at(0)).ok());
  refuses_ = true;
  reloader_.tick(at(30));
  EXPECT_EQ(running(), 1001U);
  EXPECT_EQ(reloader_.deadline(), at(30) + kRollbackRetry);
  EXPECT_THAT(log_.back(), HasSubstr("the port is in use"));
  refuses_ = false;
  reloader_.tick(at(30) + kRollbackRetry);
  EXPECT_EQ(device_, 1000U);
}

TEST_F(ReloaderTest, RefusesTimesThatMakeNoSense) {
  EXPECT_FALSE(reloader_.reload(0, at(0)).ok());
  EXPECT_FALSE(reloader_.reload(kMaxConfirmSeconds + 1, at(0)).ok());
}

TEST(CheckReload, NamesWhatNeedsARestart) {
  const HostPlan running = plan_of_mtu(1).plan;
  EXPECT_TRUE(check_reload(running, running).ok());
  HostPlan wanted = running;
  wanted.interface.name = "other";
  EXPECT_THAT(check_reload(running, wanted).error().message, HasSubstr("vpn → other"));
  wanted = running;
  wanted.public_key.bytes[3] = 1;
  EXPECT_THAT(check_reload(running, wanted).error().message, HasSubstr("restart"));
  wanted = running;
  wanted.role = HostRole::kController;
  EXPECT_THAT(check_reload(running, wanted).error().message, HasSubstr("role"));
}

// --- the interface ---

// Keeps what is there in a log that tests share, since the port belongs to the setup.
class FakePort : public InterfacePort {
 public:
  struct Kernel {
    std::vector<std::string> there;
    std::vector<std::string> done;
    std::string refused;  // what has this in its text
  };
  explicit FakePort(Kernel& kernel) : kernel_(kernel) {}

  Status bring_up() override { return act("up", "up", true); }
  Status set_mtu(std::uint32_t mtu) override { return act("mtu " + std::to_string(mtu), "", true); }
  Status add_address(const InterfaceAddress& address) override {
    return act("+" + address.to_string(), address.to_string(), true);
  }
  Status remove_address(const InterfaceAddress& address) override {
    return act("-" + address.to_string(), address.to_string(), false);
  }
  Status add_route(const Prefix& prefix) override {
    return act("+" + prefix.to_string(), prefix.to_string(), true);
  }
  Status remove_route(const Prefix& prefix) override {
    return act("-" + prefix.to_string(), prefix.to_string(), false);
  }

 private:
  Status act(const std::string& action, const std::string& what, bool add) {
    if (!kernel_.refused.empty() && action == kernel_.refused) return Error{"no " + action, EPERM};
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
  for (const char* const text : routes) out.routes.push_back(*Prefix::parse(text));
  return out;
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

}  // namespace
}  // namespace hawser
