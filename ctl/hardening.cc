#include "ctl/hardening.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace hawser {

namespace {

// Without an unlimited RLIMIT_MEMLOCK, locking future memory would make allocations fail once the
// limit is reached: rather no lock than that.
bool lock_memory() {
  const rlimit unlimited{RLIM_INFINITY, RLIM_INFINITY};
  if (::setrlimit(RLIMIT_MEMLOCK, &unlimited) != 0) return false;
  return ::mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0;
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
