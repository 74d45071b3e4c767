#include "tun/boot_timer.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace hawser {

bool BootTimer::open() {
  fd_ = UniqueFd(timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC));
  return fd_.valid();
}

void BootTimer::fire_by(Instant deadline) {
  if (armed_.has_value() && *armed_ <= deadline) return;
  // An absolute time of zero would disarm it.
  const Duration since_boot = std::max(deadline.time_since_epoch(), Duration(1));
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since_boot);
  itimerspec when{};
  when.it_value.tv_sec = seconds.count();
  when.it_value.tv_nsec = (since_boot - seconds).count();
  timerfd_settime(fd_.get(), TFD_TIMER_ABSTIME, &when, nullptr);
  armed_ = deadline;
}

void BootTimer::acknowledge() {
  std::uint64_t expirations = 0;
  [[maybe_unused]] const ssize_t got = read(fd_.get(), &expirations, sizeof expirations);
  armed_.reset();
}

Instant deadline_after(Instant now, Duration timeout) {
  constexpr Duration kLongest = std::chrono::hours(24 * 365);
  return now + std::min(timeout, kLongest);
}

}  // namespace hawser
