// make_kernel_engine where io_uring is refused. The refusal is a seccomp filter in a child process:
// filters cannot be taken off, and sysctls are the whole host's.
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <functional>
#include <string>

#include "tun/kernel_engine.h"

namespace hawser::test {
namespace {

bool refuse_syscall(unsigned number, unsigned error) {
  std::array<sock_filter, 4> filter = {{
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, number},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | error},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
  }};
  sock_fprog program{filter.size(), filter.data()};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

// Runs `body` in a child where system call `number` fails with `error`; its word on it.
void expect_in_child(unsigned number, unsigned error, const std::function<bool()>& body) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) _exit(refuse_syscall(number, error) ? (body() ? 0 : 1) : 2);
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 2) GTEST_SKIP() << "no seccomp";
  EXPECT_EQ(status, 0);
}

bool falls_back_saying(const std::string& reason) {
  std::string why;
  const Result<std::unique_ptr<KernelEngine>> engine =
      make_kernel_engine(EngineKind::kAuto, {}, &why);
  const Result<std::unique_ptr<KernelEngine>> forced =
      make_kernel_engine(EngineKind::kIoUring, {}, &why);
  const Result<std::unique_ptr<KernelEngine>> again =
      make_kernel_engine(EngineKind::kAuto, {}, &why);
  if (why.find(reason) == std::string::npos) std::printf("reason: %s\n", why.c_str());
  return engine.ok() && (*engine)->name() == "epoll" && !forced.ok() &&
         forced.error().message.find(reason) != std::string::npos && again.ok() &&
         why.find(reason) != std::string::npos;
}

TEST(FallbackTest, IoUringIsTheFirstChoice) {
  std::string why = "something";
  const Result<std::unique_ptr<KernelEngine>> engine =
      make_kernel_engine(EngineKind::kAuto, {}, &why);
  ASSERT_TRUE(engine.ok());
  EXPECT_EQ((*engine)->name(), "io_uring");
  EXPECT_EQ(why, "");
}

TEST(FallbackTest, RefusedSetupFallsBackAndSaysWhy) {
  expect_in_child(__NR_io_uring_setup, EPERM,
                  [] { return falls_back_saying("io_uring_setup: Operation not permitted ("); });
  expect_in_child(__NR_io_uring_setup, ENOSYS,
                  [] { return falls_back_saying("io_uring_setup: Function not implemented"); });
}

TEST(FallbackTest, RefusedBufferRingFallsBackAndSaysWhy) {
  expect_in_child(__NR_io_uring_register, EINVAL,
                  [] { return falls_back_saying("io_uring buffer ring: Invalid argument"); });
}

TEST(FallbackTest, RefusedEnterFallsBackAndSaysWhy) {
  expect_in_child(__NR_io_uring_enter, EPERM,
                  [] { return falls_back_saying("io_uring_enter: Operation not permitted"); });
}

}  // namespace
}  // namespace hawser::test
