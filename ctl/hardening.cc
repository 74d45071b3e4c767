#include "ctl/hardening.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>

namespace hawser {

namespace {

// Can memory beyond RLIMIT_MEMLOCK still be had? Yes with CAP_IPC_LOCK; without it mlockall() may
// succeed below the limit, and everything that is allocated beyond it then fails.
bool can_exceed_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_MEMLOCK, &limit) != 0) return false;
  if (limit.rlim_cur == RLIM_INFINITY) return true;
  constexpr std::size_t kMore = 65536;
  const std::size_t len = static_cast<std::size_t>(limit.rlim_cur) + kMore;
  void* const probe =
      ::mmap(nullptr, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (probe == MAP_FAILED) return false;
  ::munmap(probe, len);
  return true;
}

bool lock_memory() {
  const rlimit unlimited{RLIM_INFINITY, RLIM_INFINITY};
  (void)::setrlimit(RLIMIT_MEMLOCK, &unlimited);
  if (::mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0) return false;
  if (can_exceed_limit()) return true;
  const int error = errno;
  ::munlockall();
  errno = error;
  return false;
}

void say(const LogSink& log, LogLevel level, const std::string& what) {
  if (log) log(level, what + ": " + std::strerror(errno));
}

}  // namespace

void harden_process(const LogSink& log) {
  const rlimit none{0, 0};
  if (::setrlimit(RLIMIT_CORE, &none) != 0) {
    say(log, LogLevel::kWarning, "core dumps cannot be turned off");
  }
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
    say(log, LogLevel::kWarning, "the process stays dumpable");
  }
  if (!lock_memory()) say(log, LogLevel::kDebug, "keys may be swapped out; memory is not locked");
}

}  // namespace hawser
