#include "noise/tai64n.h"

#include "base/wire.h"

namespace hawser {

Tai64n to_tai64n(const WallTime& wall) {
  constexpr std::uint64_t kEpoch = 0x400000000000000aU;  // 1970, ten leap seconds ahead
  constexpr std::uint32_t kGranule = 1U << 24;           // 16.8 ms
  Tai64n label{};
  store_be64(label.data(), kEpoch + static_cast<std::uint64_t>(wall.seconds));
  store_be32(label.data() + 8, wall.nanoseconds & ~(kGranule - 1));
  return label;
}

}  // namespace hawser
