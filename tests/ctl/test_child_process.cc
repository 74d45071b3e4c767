// Programs that `hawser up` and `down` start, and who has an interface open.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "ctl/child_process.h"
#include "ctl/tun_holders.h"
#include "tests/tun/namespace.h"
#include "tun/tun_device.h"

namespace hawser {
namespace {

using ::testing::Contains;

TEST(ChildProcess, HasTheEnvironmentThatItIsGivenAlsoWhenThatIsEmpty) {
  ::setenv("HAWSER_CHILD_TEST", "1", 1);
  ChildProgram program;
  program.argv = {"sh", "-c", "test -n \"$HAWSER_CHILD_TEST\""};
  const auto has_it = [&] {
    const Result<int> status = run_program(program);
    EXPECT_TRUE(status.ok());
    return status.ok() && *status == 0;
  };
  EXPECT_TRUE(has_it()) << "ours";
  program.environment.emplace();
  EXPECT_FALSE(has_it());
  program.environment->emplace_back("HAWSER_CHILD_TEST=2");
  EXPECT_TRUE(has_it());
  ::unsetenv("HAWSER_CHILD_TEST");
}

// A child of the calling thread's network namespace that does nothing, as long as `body` runs.
void with_child(const std::function<void(pid_t)>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::pause();
    ::_exit(0);
  }
  body(child);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
}

TEST(TunHolders, AreThoseWhoHaveTheDeviceOpen) {
  const std::string name = "hw-holders";  // other tests, which run beside this one, have others
  test::in_namespace([&] {
    const Result<TunDevice> device = TunDevice::create(name, 1, 1420);
    ASSERT_TRUE(device.ok());
    EXPECT_THAT(tun_holders(name), Contains(::getpid()));
    EXPECT_THAT(tun_holders(name), ::testing::Not(Contains(::getppid())));
    EXPECT_FALSE(is_only_tun_holder(::getppid(), name));
    EXPECT_FALSE(is_only_tun_holder(::getpid(), "hw-other"));
    // What a child inherits it has open too. The main thread is in another namespace.
    with_child([&](pid_t child) {
      EXPECT_TRUE(is_only_tun_holder(child, name));
      EXPECT_TRUE(has_interface(child, name));
      EXPECT_FALSE(has_interface(child, "hw-other"));
      EXPECT_FALSE(has_interface(::getpid(), name));
      EXPECT_EQ(shares_network_namespace(child), false);
      EXPECT_EQ(shares_network_namespace(::getpid()), true);
      with_child([&](pid_t second) {
        EXPECT_FALSE(is_only_tun_holder(child, name));
        EXPECT_FALSE(is_only_tun_holder(second, name));
      });
    });
  });
}

}  // namespace
}  // namespace hawser
