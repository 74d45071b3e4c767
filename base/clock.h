#pragma once
#include "base/time.h"

namespace hawser {

// Clock is what loops ask for the time; the daemon's is tun/system_clock.h, tests have their own.
// Any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Now now() = 0;
};

}  // namespace hawser
