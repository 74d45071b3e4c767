#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "base/time.h"
#include "dataplane/device_lock.h"

namespace hawser {

class Peer;

// TimerQueue orders peers by when their timers (dataplane/timers.h) run out next.
class TimerQueue {
 public:
  // A due time of the peer may have changed.
  void reschedule(Peer& peer) HAWSER_UNDER_LOCK;
  void forget(Peer& peer) HAWSER_UNDER_LOCK;

  // Whose timers have run out first; null: nobody's have. The same until it is rescheduled.
  Peer* first_due(Instant now) const;
  std::optional<Instant> next() const;
  bool empty() const { return peers_.empty(); }

 private:
  // By deadline, then PeerControl::order: what fires first does not depend on addresses.
  std::map<std::pair<std::int64_t, std::uint64_t>, Peer*> peers_;
};

}  // namespace hawser
