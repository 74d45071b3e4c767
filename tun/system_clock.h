#pragma once
#include "base/clock.h"

namespace hawser {

// SystemClock reads CLOCK_BOOTTIME and CLOCK_REALTIME together. Any thread.
class SystemClock final : public Clock {
 public:
  Now now() override;
};

// CLOCK_BOOTTIME alone, for deadlines.
Instant boot_now();

}  // namespace hawser
