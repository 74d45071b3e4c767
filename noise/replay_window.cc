#include "noise/replay_window.h"

#include <algorithm>

namespace hawser {

bool ReplayWindow::accept(std::uint64_t counter) {
  static_assert((kWords & (kWords - 1)) == 0, "words are found by masking");
  if (counter >= kRejectAfterMessages) return false;
  if (counter < greatest_ && greatest_ - counter > kReplayWindow) return false;

  if (counter > greatest_) {
    // Words between the old and the new greatest hold bits of 8,192 counters ago.
    const std::uint64_t first = greatest_ / 64 + 1;
    const std::uint64_t num_stale = std::min<std::uint64_t>(counter / 64 + 1 - first, kWords);
    for (std::uint64_t i = 0; i < num_stale; ++i) bitmap_[(first + i) % kWords] = 0;
    greatest_ = counter;
  }
  std::uint64_t& word = bitmap_[(counter / 64) % kWords];
  const std::uint64_t bit = std::uint64_t{1} << (counter % 64);
  if ((word & bit) != 0) return false;
  word |= bit;
  return true;
}

void ReplayWindow::reset() {
  greatest_ = 0;
  bitmap_.fill(0);
}

}  // namespace hawser
