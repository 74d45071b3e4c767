#pragma once
#include <time.h>

#include <cstdint>

#include "base/time.h"

namespace hawser::load {

inline constexpr std::int64_t kNanosPerSecond = 1'000'000'000;

inline std::int64_t read_clock(clockid_t clock) {
  timespec at{};
  ::clock_gettime(clock, &at);
  return at.tv_sec * kNanosPerSecond + at.tv_nsec;
}

// Nanoseconds of CLOCK_MONOTONIC: what everything here is timed with.
inline std::int64_t monotonic_ns() { return read_clock(CLOCK_MONOTONIC); }
// What this process has used of the processor.
inline std::int64_t own_cpu_ns() { return read_clock(CLOCK_PROCESS_CPUTIME_ID); }

// The same as the protocol code takes it.
inline Instant protocol_now() { return Instant(Duration(monotonic_ns())); }
inline WallTime wall_now() {
  timespec at{};
  ::clock_gettime(CLOCK_REALTIME, &at);
  return {at.tv_sec, static_cast<std::uint32_t>(at.tv_nsec)};
}

}  // namespace hawser::load
