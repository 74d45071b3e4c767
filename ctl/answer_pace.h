#pragma once
#include <algorithm>

#include "base/time.h"

namespace hawser {

// AnswerPace bounds the share of a thread that answering takes, whoever asks how often: after a
// round of answers there is a pause that is as many times as long as the round was, and never
// shorter than `min_pause`, so that rounds gather many. Sans I/O.
class AnswerPace {
 public:
  AnswerPace(unsigned pauses_per_round, Duration min_pause)
      : pauses_per_round_(pauses_per_round), min_pause_(min_pause) {}

  // Until the next round may begin; zero: now.
  Duration wait(Instant now) const { return std::max(next_ - now, Duration::zero()); }
  void note_round(Instant begin, Instant end) {
    next_ = end + std::max(min_pause_, (end - begin) * pauses_per_round_);
  }

 private:
  unsigned pauses_per_round_;
  Duration min_pause_;
  Instant next_{};  // of the clock's beginning: now
};

}  // namespace hawser
