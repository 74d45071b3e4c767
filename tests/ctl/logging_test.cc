#include "ctl/logging.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "ctl/options.h"
#include "tests/ctl/temporary_directory.h"

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

TEST(Logging, AFileTakesThePlaceOfStderrAndMayBeRotated) {
  const testing::TemporaryDirectory directory;
  const std::string path = directory / "log";
  StoppedClock clock;
  DaemonOptions options;
  options.interface = "wg7";
  options.foreground = true;
  ::testing::internal::CaptureStderr();
  {
    Result<LogFile> file = LogFile::open(path);
    ASSERT_TRUE(file.ok()) << file.error().message;
    Logger logger(options, clock, std::move(*file));
    logger.say(LogLevel::kInfo, "first");
    EXPECT_TRUE(logger.flush());
    std::filesystem::rename(path, directory / "log.1");
    logger.say(LogLevel::kInfo, "second");
    EXPECT_TRUE(logger.flush());
    std::filesystem::resize_file(path, 0);  // logrotate's copytruncate
    logger.say(LogLevel::kInfo, "third");
  }
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  EXPECT_THAT(testing::read_file(directory / "log.1"),
              AllOf(HasSubstr("(wg7) first\n"), Not(HasSubstr("second"))));
  EXPECT_THAT(testing::read_file(path), AllOf(HasSubstr("third\n"), Not(HasSubstr("second"))));
  EXPECT_EQ(testing::read_file(path).find('\0'), std::string::npos);
  const auto mode = std::filesystem::status(path).permissions();
  EXPECT_EQ(mode & ~std::filesystem::perms(0640), std::filesystem::perms::none);
}

TEST(Logging, OnlyARegularFileIsALogFile) {
  const testing::TemporaryDirectory directory;
  testing::write_file(directory / "precious", "text");
  std::filesystem::create_symlink(directory / "precious", directory / "link");
  EXPECT_THAT(LogFile::open(directory / "link").error().message, HasSubstr("symbolic link"));
  EXPECT_THAT(LogFile::open(directory.path()).error().message, HasSubstr("--log-file"));
  EXPECT_THAT(LogFile::open("/dev/null").error().message, HasSubstr("not a regular file"));
  EXPECT_EQ(testing::read_file(directory / "precious"), "text");
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
