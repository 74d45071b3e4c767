#pragma once
#include <algorithm>
#include <mutex>
#include <optional>

#include "base/time.h"
#include "dataplane/limits.h"

namespace hawser {

// IcmpLimiter is the token bucket for ICMP errors that we originate (RFC 4443 §2.4(f), RFC 1812
// §4.3.2.8). Any thread.
class IcmpLimiter {
 public:
  bool allow(Instant now) {
    constexpr Duration kCost = Duration(std::chrono::seconds(1)) / kIcmpErrorsPerSecond;
    constexpr Duration kFull = kCost * kIcmpErrorsBurst;
    const std::lock_guard lock(mutex_);
    if (!last_)
      credit_ = kFull;
    else
      credit_ = std::min(kFull, credit_ + std::max(Duration::zero(), now - *last_));
    last_ = now;
    if (credit_ < kCost) return false;
    credit_ -= kCost;
    return true;
  }

 private:
  std::mutex mutex_;
  std::optional<Instant> last_;
  Duration credit_{};
};

}  // namespace hawser
