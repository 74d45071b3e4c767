#include "ctl/logging.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "ctl/options.h"

namespace hawser {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class StoppedClock : public Clock {
 public:
  Now now() override { return {}; }
};

// What reaches standard error of one message of each level.
std::string printed(Verbosity verbosity) {
  StoppedClock clock;
  DaemonOptions options;
  options.interface = "wg7";
  options.foreground = true;
  options.verbosity = verbosity;
  ::testing::internal::CaptureStderr();
  {
    Logger logger(options, clock);
    const LogSink log = logger.sink();
    log(LogLevel::kError, "an error");
    log(LogLevel::kWarning, "a warning");
    log(LogLevel::kInfo, "a fact");
    log(LogLevel::kDebug, "a detail");
  }
  return ::testing::internal::GetCapturedStderr();
}

TEST(Logging, SaysAsMuchAsWasAskedFor) {
  EXPECT_EQ(printed(Verbosity::kSilent), "");
  EXPECT_THAT(printed(Verbosity::kError), AllOf(HasSubstr("an error"), Not(HasSubstr("warning"))));
  EXPECT_THAT(printed(Verbosity::kInfo),
              AllOf(HasSubstr("a warning"), HasSubstr("a fact"), Not(HasSubstr("a detail"))));
  EXPECT_THAT(printed(Verbosity::kDebug), AllOf(HasSubstr("a detail"), HasSubstr("(wg7)")));
}

TEST(Logging, OneMessageIsOneLineAndAFloodIsCut) {
  StoppedClock clock;
  DaemonOptions options;
  options.foreground = true;
  ::testing::internal::CaptureStderr();
  {
    Logger logger(options, clock);
    const LogSink log = logger.sink();
    for (int i = 0; i < 1000; ++i) log(LogLevel::kError, "two\nlines\x1b[31m {} %s");
    logger.say(LogLevel::kError, "said at the end");
  }
  const std::string text = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 21);
  EXPECT_THAT(text, AllOf(HasSubstr("two lines [31m {} %s\n"), HasSubstr("said at the end")));
}

}  // namespace
}  // namespace hawser
