#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace hawser {

// RandomSource is where keys, indices and jitter come from. The daemon's is getrandom(2)
// (tun/system_random.h); the simulator's is seeded. An implementation says whether it may be
// shared between threads; the system's may.
class RandomSource {
 public:
  virtual ~RandomSource() = default;

  // Fills all of `out`. Cannot fail: a source that cannot deliver ends the process.
  virtual void fill(std::span<std::uint8_t> out) = 0;

  std::uint32_t u32() {
    std::array<std::uint8_t, 4> raw{};
    fill(raw);
    std::uint32_t value = 0;
    std::memcpy(&value, raw.data(), raw.size());
    return value;
  }

  // Uniform enough for jitter: 0 … bound - 1; `bound` > 0.
  std::uint32_t below(std::uint32_t bound) {
    return static_cast<std::uint32_t>((std::uint64_t{u32()} * bound) >> 32);
  }
};

}  // namespace hawser
