#pragma once
#include <cstdint>
#include <span>

#include "base/random_source.h"

namespace hawser::bench {

// Bytes that are never the same twice and cost nothing. Good for nothing but benchmarks.
class CountingRandom final : public RandomSource {
 public:
  void fill(std::span<std::uint8_t> out) override {
    for (std::uint8_t& byte : out) {
      state_ = state_ * 6364136223846793005U + 1442695040888963407U;
      byte = static_cast<std::uint8_t>(state_ >> 56);
    }
  }

 private:
  std::uint64_t state_ = 1;
};

}  // namespace hawser::bench
