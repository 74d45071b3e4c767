#include "ctl/background.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <functional>
#include <string>

namespace hawser {
namespace {

struct Started {
  int exit_code = -1;
  std::string printed;  // on standard error
};

// Runs a process that goes to the background and there does `daemon`; returns what whoever started
// it sees.
Started start(const std::function<void(Readiness&)>& daemon) {
  std::array<int, 2> ends{};
  EXPECT_EQ(::pipe(ends.data()), 0);
  const pid_t starter = ::fork();
  if (starter == 0) {
    ::dup2(ends[1], STDERR_FILENO);
    ::close(ends[0]);
    ::close(ends[1]);
    Readiness readiness;
    const auto parent = go_to_background(readiness);
    if (!parent) ::_exit(99);
    if (*parent) {
      ::fflush(stderr);
      ::_exit(**parent);
    }
    daemon(readiness);
    ::_exit(EXIT_SUCCESS);
  }
  ::close(ends[1]);
  Started result;
  std::array<char, 4096> text{};
  for (ssize_t got = 0; (got = ::read(ends[0], text.data(), text.size())) > 0;) {
    result.printed.append(text.data(), static_cast<std::size_t>(got));
  }
  ::close(ends[0]);
  int status = 0;
  EXPECT_EQ(::waitpid(starter, &status, 0), starter);
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return result;
}

TEST(Background, TheStarterEndsWellOnceTheDaemonIsReady) {
  const Started started = start([](Readiness& readiness) { readiness.report_ready(); });
  EXPECT_EQ(started.exit_code, 0);
  EXPECT_EQ(started.printed, "");
}

TEST(Background, TheDaemonLeavesSessionDirectoryAndTerminal) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  const Started started = start([&](Readiness& readiness) {
    EXPECT_TRUE(readiness.in_background());
    readiness.report_ready();
    std::array<char, 64> directory{};
    const bool left = ::getsid(0) == ::getpid() && ::isatty(STDIN_FILENO) == 0 &&
                      ::getcwd(directory.data(), directory.size()) != nullptr &&
                      std::string(directory.data()) == "/";
    const char verdict = left ? 'y' : 'n';
    (void)!::write(ends[1], &verdict, 1);
  });
  EXPECT_EQ(started.exit_code, 0);
  char verdict = '?';
  EXPECT_EQ(::read(ends[0], &verdict, 1), 1);
  EXPECT_EQ(verdict, 'y');
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST(Background, TheStarterPrintsWhyTheDaemonCouldNotStart) {
  const std::string why = "port 5 is taken\n" + std::string(70000, 'x');
  const Started started = start([&](Readiness& readiness) { readiness.report_failure(why); });
  EXPECT_EQ(started.exit_code, 1);
  EXPECT_EQ(started.printed, "hawserd: " + why + "\n");
}

TEST(Background, ADaemonThatDiesUnreadyIsAFailure) {
  const Started silent = start([](Readiness&) {});
  EXPECT_EQ(silent.exit_code, 1);
  EXPECT_NE(silent.printed.find("before it was ready"), std::string::npos);
  const Started killed = start([](Readiness&) { ::raise(SIGKILL); });
  EXPECT_EQ(killed.exit_code, 1);
  EXPECT_NE(killed.printed.find("signal 9"), std::string::npos);
}

TEST(Background, InTheForegroundAFailureGoesToStandardError) {
  Readiness readiness;
  EXPECT_FALSE(readiness.in_background());
  ::testing::internal::CaptureStderr();
  readiness.report_ready();
  readiness.report_failure("no such thing");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "hawserd: no such thing\n");
}

}  // namespace
}  // namespace hawser
