#pragma once
#include <atomic>
#include <cstdint>
#include <limits>
#include <optional>

#include "base/time.h"

namespace hawser {

// Stamp is a moment that workers write and the handshake thread reads, or never. Any thread.
class Stamp {
 public:
  void set(Instant now) { value_.store(count(now), std::memory_order_relaxed); }
  // True when it was unset before: only then can a timer start that did not run. Sequentially
  // consistent, for the handshake with PeerTimers::published (see dataplane/timers.h).
  bool set_if_unset(Instant now) {
    std::int64_t expected = value_.load(std::memory_order_relaxed);
    return expected == kNever && value_.compare_exchange_strong(expected, count(now));
  }
  void clear() {
    // Most often there is nothing to clear, and the cache line stays shared.
    if (value_.load(std::memory_order_relaxed) != kNever) value_.store(kNever);
  }
  std::optional<Instant> get() const {
    const std::int64_t value = value_.load();
    if (value == kNever) return std::nullopt;
    return Instant(Duration(value));
  }

 private:
  static constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::min();
  static std::int64_t count(Instant now) { return now.time_since_epoch().count(); }
  std::atomic<std::int64_t> value_{kNever};
};

}  // namespace hawser
