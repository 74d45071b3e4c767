#pragma once
#include <array>
#include <cstdint>

#include "base/time.h"
#include "noise/constants.h"

namespace hawser {

// TAI64N label as the initiation carries it; comparing the bytes compares the times.
using Tai64n = std::array<std::uint8_t, kTai64nLen>;

// Base 0x400000000000000a + seconds; nanoseconds rounded down to a multiple of 2^24, so that the
// exact clock is not leaked.
Tai64n to_tai64n(const WallTime& wall);

}  // namespace hawser
