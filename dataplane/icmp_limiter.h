#pragma once
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>

#include "base/time.h"
#include "dataplane/limits.h"
#include "routing/icmp.h"

namespace hawser {

// IcmpBucket is a token bucket in one word: the time at which it will be full again (the virtual
// scheduling algorithm of ITU-T I.371). Any thread.
template <std::uint32_t kPerSecond, std::uint32_t kBurst>
class IcmpBucket {
 public:
  bool allow(Instant now) {
    constexpr std::int64_t kCost = Duration(std::chrono::seconds(1)).count() / kPerSecond;
    const std::int64_t at = now.time_since_epoch().count();
    std::int64_t full_at = full_at_.load(std::memory_order_relaxed);
    for (;;) {
      const std::int64_t begin = std::max(full_at, at);
      if (begin - at > kCost * (kBurst - 1)) return false;
      if (full_at_.compare_exchange_weak(full_at, begin + kCost, std::memory_order_relaxed)) {
        return true;
      }
    }
  }

 private:
  std::atomic<std::int64_t> full_at_{std::numeric_limits<std::int64_t>::min()};
};

// IcmpBudget bounds the ICMP errors that we originate (RFC 4443 §2.4(f), RFC 1812 §4.3.2.8).
// Packet Too Big has a bucket of its own: whatever else goes wrong, nobody's path MTU discovery
// goes dark. Any thread.
template <std::uint32_t kPerSecond, std::uint32_t kBurst>
class IcmpBudget {
 public:
  bool allow(IcmpError error, Instant now) {
    return (error == IcmpError::kPacketTooBig ? too_big_ : others_).allow(now);
  }

 private:
  IcmpBucket<kPerSecond, kBurst> too_big_;
  IcmpBucket<kPerSecond, kBurst> others_;
};

using DeviceIcmpBudget = IcmpBudget<kIcmpErrorsPerSecond, kIcmpErrorsBurst>;
using PeerIcmpBudget = IcmpBudget<kIcmpErrorsPerSecondOfPeer, kIcmpErrorsBurstOfPeer>;

}  // namespace hawser
