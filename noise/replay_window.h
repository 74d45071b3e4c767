#pragma once
#include <array>
#include <cstdint>

#include "noise/constants.h"

namespace hawser {

// ReplayWindow is the sliding bitmap of RFC 6479: 8,192 bits, of which 8,128 are usable. Consulted
// only with counters of authenticated packets. Not synchronized: the keypair's lock guards it.
class ReplayWindow {
 public:
  // True, and marked as seen, when `counter` was not seen, is not older than the window and is
  // below REJECT_AFTER_MESSAGES.
  bool accept(std::uint64_t counter);
  void reset();
  std::uint64_t greatest() const { return greatest_; }

 private:
  static constexpr std::size_t kWords = kReplayBits / 64;
  std::uint64_t greatest_ = 0;  // greatest accepted counter (0 before any)
  std::array<std::uint64_t, kWords> bitmap_{};
};

}  // namespace hawser
