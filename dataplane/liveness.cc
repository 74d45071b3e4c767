#include "dataplane/liveness.h"

#include <algorithm>

namespace hawser {

void Liveness::watch(const std::vector<OverlayController>& controllers,
                     const OverlayTables::PeersByKey& peers, Instant now) {
  std::vector<Watch> fresh;
  for (const OverlayController& controller : controllers) {
    const auto found = peers.find(controller.key);
    if (found == peers.end()) continue;
    Peer* const peer = found->second;
    const auto old = std::find_if(watches_.begin(), watches_.end(),
                                  [&](const Watch& watch) { return watch.peer == peer; });
    Watch watch;
    if (old != watches_.end())
      watch = *old;
    else
      watch.next_echo = now;
    watch.controller = controller;
    watch.peer = peer;
    fresh.push_back(watch);
  }
  for (const Watch& watch : fresh) watch.peer->is_controller = true;
  // What is no longer watched is an ordinary peer again. The others are left alone: looking at each
  // of 10,000 peers would be the better part of a change.
  for (const Watch& old : watches_) {
    const bool watched = std::any_of(fresh.begin(), fresh.end(),
                                     [&](const Watch& watch) { return watch.peer == old.peer; });
    if (watched) continue;
    old.peer->reachable = true;
    old.peer->is_controller = false;
  }
  watches_ = std::move(fresh);
}

bool Liveness::heard_since(const Watch& watch, Instant since) {
  const auto heard = watch.peer->stamps.last_data_received.get();
  return heard && *heard >= since;
}

void Liveness::answered(Watch& watch, Instant now, Verdict& verdict) {
  watch.num_lost = 0;
  if (watch.distrusted_until && now < *watch.distrusted_until) return;
  watch.distrusted_until.reset();
  ++watch.num_answered;
  if (watch.num_answered >= kAnswersUntilAlive && !watch.peer->reachable.exchange(true)) {
    verdict.revived = true;
  }
}

void Liveness::lost(Watch& watch, Verdict& verdict) {
  watch.num_answered = 0;
  if (++watch.num_lost >= kEchoesUntilDead) {
    verdict.died = watch.peer->reachable.exchange(false);
  } else if (watch.peer->reachable.load()) {
    watch.next_echo = std::min(watch.next_echo, *watch.sent + kEchoIntervalInDoubt);
  }
}

Liveness::Verdict Liveness::step(Watch& watch, Instant now) {
  Verdict verdict{.peer = watch.peer};
  if (watch.sent && now >= *watch.sent + kEchoTimeout) {
    if (heard_since(watch, *watch.sent)) {
      answered(watch, now, verdict);
    } else {
      lost(watch, verdict);
    }
    watch.sent.reset();
  }
  if (now >= watch.next_echo) {
    // A late answer is an answer: the path is slow, not dead.
    if (watch.num_lost > 0 && watch.previous && heard_since(watch, *watch.previous)) {
      answered(watch, now, verdict);
    }
    verdict.send_echo = &watch.controller;
    verdict.sequence = watch.sequence++;
    watch.sent = now;
    watch.previous = now;
    watch.next_echo = now + kEchoInterval;
  }
  return verdict;
}

std::optional<Instant> Liveness::next() const {
  std::optional<Instant> next;
  for (const Watch& watch : watches_) {
    Instant at = watch.next_echo;
    if (watch.sent) at = std::min(at, *watch.sent + kEchoTimeout);
    if (!next || at < *next) next = at;
  }
  return next;
}

bool Liveness::goodbye(Peer& peer, Instant now) {
  const auto found = std::find_if(watches_.begin(), watches_.end(),
                                  [&](const Watch& watch) { return watch.peer == &peer; });
  if (found == watches_.end()) return false;
  found->distrusted_until = now + kGoodbyeHold;
  found->num_answered = 0;
  return peer.reachable.exchange(false);
}

}  // namespace hawser
