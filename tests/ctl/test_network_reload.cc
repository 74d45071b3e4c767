// Reload and confirmation, on virtual time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "ctl/reload.h"

namespace hawser {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;

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

TEST_F(ReloaderTest, ThatItWasTakenBackIsRememberedUntilAReloadSucceeds) {
  file_ = 1001;
  ASSERT_TRUE(reloader_.reload(30, at(0)).ok());
  EXPECT_FALSE(reloader_.was_taken_back());
  reloader_.tick(at(30));
  EXPECT_TRUE(reloader_.was_taken_back());
  file_ = 0;
  EXPECT_FALSE(reloader_.reload(std::nullopt, at(40)).ok());
  EXPECT_TRUE(reloader_.was_taken_back());
  file_ = 1000;
  EXPECT_TRUE(reloader_.reload(std::nullopt, at(50)).ok());
  EXPECT_FALSE(reloader_.was_taken_back());
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

}  // namespace
}  // namespace hawser
