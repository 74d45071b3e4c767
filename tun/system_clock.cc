#include "tun/system_clock.h"

#include <chrono>
#include <ctime>

namespace hawser {

Instant boot_now() {
  timespec time{};
  clock_gettime(CLOCK_BOOTTIME, &time);
  return Instant(std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec));
}

Now SystemClock::now() {
  timespec wall{};
  clock_gettime(CLOCK_REALTIME, &wall);
  return {boot_now(),
          WallTime{std::int64_t{wall.tv_sec}, static_cast<std::uint32_t>(wall.tv_nsec)}};
}

}  // namespace hawser
