#include "ctl/hardening.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>

namespace hawser {
namespace {

// In a process of its own, since it cannot be taken back. Returns that process' exit code.
template <class Body>
int in_child(Body body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body() ? 0 : 1);
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(Hardening, LeavesNeitherCoreDumpsNorADumpableProcess) {
  EXPECT_EQ(in_child([] {
              harden_process({});
              rlimit core{};
              return ::prctl(PR_GET_DUMPABLE) == 0 && ::getrlimit(RLIMIT_CORE, &core) == 0 &&
                     core.rlim_cur == 0 && core.rlim_max == 0;
            }),
            0);
}

TEST(Hardening, MemoryBeyondTheLockLimitCanStillBeHad) {
  EXPECT_EQ(in_child([] {
              const rlimit small{std::size_t{256} << 20, std::size_t{256} << 20};
              if (::setrlimit(RLIMIT_MEMLOCK, &small) != 0) return true;
              harden_process({});
              constexpr std::size_t kLen = std::size_t{512} << 20;
              return ::mmap(nullptr, kLen, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                            -1, 0) != MAP_FAILED;
            }),
            0);
}

}  // namespace
}  // namespace hawser
