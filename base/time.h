#pragma once
// Time as the sans-IO core sees it: a value that is handed in, never obtained.
#include <chrono>
#include <cstdint>

namespace hawser {

// BootClock names CLOCK_BOOTTIME: monotonic, and it counts suspend, so that a host that slept does
// not believe its keys are fresh. It has no now(): only tun/ can read the clock, and everything
// below takes `now` as an argument.
struct BootClock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<BootClock>;
  static constexpr bool is_steady = true;
};

using Instant = BootClock::time_point;
using Duration = BootClock::duration;

// WallTime is Unix time, as clock_gettime(CLOCK_REALTIME) gives it.
struct WallTime {
  std::int64_t seconds = 0;
  std::uint32_t nanoseconds = 0;  // 0 … 999,999,999

  friend auto operator<=>(const WallTime&, const WallTime&) = default;
};

// Instant and wall clock, read at the same moment.
struct Now {
  Instant boot;
  WallTime wall;
};

}  // namespace hawser
