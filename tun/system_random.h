#pragma once
#include "base/random_source.h"

namespace hawser {

// SystemRandom is getrandom(2): blocks only before the kernel's pool was first seeded, and ends the
// process if the kernel refuses. Any thread; may be shared.
class SystemRandom final : public RandomSource {
 public:
  void fill(std::span<std::uint8_t> out) override;
};

}  // namespace hawser
