#pragma once
#include <cstdint>
#include <functional>
#include <queue>
#include <utility>
#include <vector>

#include "base/time.h"

namespace hawser::testing {

// EventQueue is virtual time: events happen in order of their time, those of the same moment in
// the order in which they were scheduled.
class EventQueue {
 public:
  Duration now() const { return now_; }

  void at(Duration time, std::function<void()> event) {
    events_.push({time < now_ ? now_ : time, next_++, std::move(event)});
  }
  void after(Duration delay, std::function<void()> event) { at(now_ + delay, std::move(event)); }

  // False: nothing is left before `end`, and it is `end` now.
  bool run_one(Duration end) {
    if (events_.empty() || events_.top().time > end) {
      now_ = end;
      return false;
    }
    const Event event = events_.top();
    events_.pop();
    now_ = event.time;
    event.what();
    return true;
  }

 private:
  struct Event {
    Duration time;
    std::uint64_t order;
    std::function<void()> what;
    bool operator<(const Event& other) const {
      return time != other.time ? time > other.time : order > other.order;
    }
  };

  Duration now_{};
  std::uint64_t next_ = 0;
  std::priority_queue<Event> events_;
};

}  // namespace hawser::testing
