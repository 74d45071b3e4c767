#include "ctl/log_limiter.h"

#include <gtest/gtest.h>

#include <string>

namespace hawser {
namespace {

constexpr Instant kStart{std::chrono::hours(1)};

int admitted(LogLimiter& limiter, const std::string& message, int times, Instant now) {
  int count = 0;
  for (int i = 0; i < times; ++i) count += limiter.admit(message, now).has_value() ? 1 : 0;
  return count;
}

TEST(LogLimiter, LetsABurstThroughAndThenOneEachInterval) {
  LogLimiter limiter;
  EXPECT_EQ(admitted(limiter, "cannot send", 1000, kStart), 20);
  EXPECT_EQ(admitted(limiter, "cannot send", 1000, kStart + LogLimiter::kInterval), 1);
  EXPECT_EQ(admitted(limiter, "cannot send", 1000, kStart + LogLimiter::kInterval * 3), 2);
  EXPECT_EQ(admitted(limiter, "cannot send", 1000, kStart + LogLimiter::kInterval * 10000), 20);
}

TEST(LogLimiter, SaysHowManyWereLeftOut) {
  LogLimiter limiter;
  EXPECT_EQ(admitted(limiter, "cannot send", 50, kStart), 20);
  EXPECT_EQ(limiter.admit("cannot send", kStart + LogLimiter::kInterval), 30u);
  EXPECT_EQ(limiter.admit("cannot send", kStart + LogLimiter::kInterval * 2), 0u);
}

TEST(LogLimiter, MessagesThatDifferInNamesAndNumbersAreOfOneKind) {
  LogLimiter limiter;
  int count = 0;
  for (int i = 0; i < 100; ++i) {
    const std::string message = "peer A" + std::to_string(i) + "…x: no answer from 192.0.2." +
                                std::to_string(i) + ":51820, given up";
    count += limiter.admit(message, kStart).has_value() ? 1 : 0;
  }
  EXPECT_EQ(count, 20);
}

TEST(LogLimiter, KindsDoNotTakeEachOthersPlace) {
  LogLimiter limiter;
  EXPECT_EQ(admitted(limiter, "first kind of thing", 100, kStart), 20);
  EXPECT_EQ(admitted(limiter, "second kind of thing", 100, kStart), 20);
}

}  // namespace
}  // namespace hawser
