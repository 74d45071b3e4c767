#include "dataplane/timer_queue.h"

#include "dataplane/peer.h"

namespace hawser {

void TimerQueue::reschedule(Peer& peer) {
  forget(peer);
  const auto next = peer.timers.next();
  if (!next) return;
  const std::int64_t at = next->time_since_epoch().count();
  peer.timers.published.store(at);
  peers_.emplace(std::pair(at, peer.control.order), &peer);
}

void TimerQueue::forget(Peer& peer) {
  const std::int64_t old = peer.timers.published.exchange(PeerTimers::kNoTimer);
  if (old != PeerTimers::kNoTimer) peers_.erase({old, peer.control.order});
}

Peer* TimerQueue::first_due(Instant now) const {
  const bool is_due =
      !peers_.empty() && peers_.begin()->first.first <= now.time_since_epoch().count();
  return is_due ? peers_.begin()->second : nullptr;
}

std::optional<Instant> TimerQueue::next() const {
  if (peers_.empty()) return std::nullopt;
  return Instant(Duration(peers_.begin()->first.first));
}

}  // namespace hawser
