#include "bench/load/network_namespace.h"

#include <fcntl.h>
#include <sched.h>

#include <cerrno>
#include <cstring>

#include "bench/load/errno_error.h"
#include "tun/unique_fd.h"

namespace hawser::load {
Status in_namespace(const std::string& name, const std::function<Status()>& action) {
  if (name.empty()) return action();
  const UniqueFd home(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  const UniqueFd there(::open(("/run/netns/" + name).c_str(), O_RDONLY | O_CLOEXEC));
  if (!home || !there) return errno_error("network namespace " + name);
  if (::setns(there.get(), CLONE_NEWNET) != 0) {
    return errno_error("cannot enter network namespace " + name + " (root is needed)");
  }
  Status status = action();
  if (::setns(home.get(), CLONE_NEWNET) != 0) return errno_error("cannot leave " + name);
  return status;
}

}  // namespace hawser::load
