#include "dataplane/liveness.h"

#include <algorithm>

namespace hawser {

// What is watched already goes on where it is.
Liveness::Watch Liveness::watch_of(Peer& peer, Instant now) const {
  Watch watch;
  const auto old = at_.find(&peer);
  if (old != at_.end()) return watches_[old->second];
  watch.peer = &peer;
  watch.next_echo = now;
  return watch;
}

void Liveness::watch(const Overlay& overlay, const OverlayTables::PeersByKey& peers, Instant now) {
  std::vector<Watch> fresh;
  std::unordered_map<const Peer*, std::size_t> at;
  for (const auto* const list : {&overlay.controllers, &overlay.gateways}) {
    for (const OverlayWatch& echo : *list) {
      const auto found = peers.find(echo.key);
      if (found == peers.end() || !at.try_emplace(found->second, fresh.size()).second) continue;
      Watch watch = watch_of(*found->second, now);
      watch.echo = echo;
      watch.is_controller = list == &overlay.controllers;
      fresh.push_back(watch);
    }
  }
  for (const Watch& watch : fresh) {
    watch.peer->is_watched = true;
    watch.peer->is_controller = watch.is_controller;
  }
  // What is no longer watched is an ordinary peer again. The others are left alone: looking at each
  // of 10,000 peers would be the better part of a change.
  for (const Watch& old : watches_) {
    if (at.contains(old.peer)) continue;
    old.peer->reachable = true;
    old.peer->is_watched = false;
    old.peer->is_controller = false;
  }
  watches_ = std::move(fresh);
  at_ = std::move(at);
}

bool Liveness::heard_since(const Watch& watch, Instant since) {
  const auto heard = watch.peer->timers.last_data_received();
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
    verdict.send_echo = &watch.echo;
    verdict.has_lost = watch.num_lost > 0;
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
  const auto found = at_.find(&peer);
  if (found == at_.end()) return false;
  Watch& watch = watches_[found->second];
  watch.distrusted_until = now + kGoodbyeHold;
  watch.num_answered = 0;
  return peer.reachable.exchange(false);
}

}  // namespace hawser
