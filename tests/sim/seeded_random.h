#pragma once
#include <cstdint>
#include <cstring>
#include <span>

#include "base/random_source.h"

namespace hawser::testing {

// SeededRandom is a RandomSource that says the same thing each time (xoshiro256**, seeded with
// splitmix64; Blackman and Vigna). One thread's.
class SeededRandom : public RandomSource {
 public:
  explicit SeededRandom(std::uint64_t seed) {
    for (std::uint64_t& word : state_) {
      seed += 0x9e3779b97f4a7c15;
      std::uint64_t mixed = seed;
      mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
      mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
      word = mixed ^ (mixed >> 31);
    }
  }

  std::uint64_t u64() {
    const std::uint64_t result = rotate(state_[1] * 5, 7) * 9;
    const std::uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = rotate(state_[3], 45);
    return result;
  }

  void fill(std::span<std::uint8_t> out) override {
    while (!out.empty()) {
      const std::uint64_t word = u64();
      const std::size_t len = out.size() < sizeof word ? out.size() : sizeof word;
      std::memcpy(out.data(), &word, len);
      out = out.subspan(len);
    }
  }

  // True with probability `percent` / 100.
  bool percent(double percent) {
    return static_cast<double>(u64() >> 11) * 0x1p-53 * 100 < percent;
  }
  // low … high, both included.
  std::int64_t between(std::int64_t low, std::int64_t high) {
    const auto range = static_cast<std::uint64_t>(high - low) + 1;
    return low + static_cast<std::int64_t>(range == 0 ? u64() : u64() % range);
  }

 private:
  static std::uint64_t rotate(std::uint64_t value, int by) {
    return (value << by) | (value >> (64 - by));
  }
  std::uint64_t state_[4];
};

}  // namespace hawser::testing
