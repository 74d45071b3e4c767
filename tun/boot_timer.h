#pragma once
#include <optional>

#include "base/result.h"
#include "base/time.h"
#include "tun/unique_fd.h"

namespace hawser {

// BootTimer makes a descriptor readable at a deadline of CLOCK_BOOTTIME, so that time asleep counts
// (neither epoll_wait nor a plain io_uring timeout does that).
//
// A worker waits with nearly the same timeout thousands of times a second and is nearly always
// woken by data. So a deadline that is already set, and not later than the wanted one, is left: the
// timer then fires early, once, and the caller who asks again sets it anew. Most waits cost no
// system call. One thread's.
class BootTimer {
 public:
  [[nodiscard]] bool open();  // false: errno
  int fd() const { return fd_.get(); }

  // The descriptor will be readable at `deadline` or before.
  void fire_by(Instant deadline);
  // The descriptor was readable: makes it quiet again.
  void acknowledge();

 private:
  UniqueFd fd_;
  std::optional<Instant> armed_;
};

// `now` + `timeout`, at most a year from now: a timeout may be Duration::max().
Instant deadline_after(Instant now, Duration timeout);

}  // namespace hawser
