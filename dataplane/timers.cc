#include "dataplane/timers.h"

#include "noise/constants.h"

namespace hawser {
namespace {

std::optional<Instant> new_handshake_at(const Peer& peer) {
  const auto since = peer.stamps.unanswered_data_since.get();
  if (!since) return std::nullopt;
  return *since + kKeepaliveTimeout + kRekeyTimeout + peer.control.jitter;
}

std::optional<Instant> keepalive_at(const Peer& peer) {
  const auto since = peer.stamps.unreplied_data_since.get();
  if (!since) return std::nullopt;
  return *since + kKeepaliveTimeout;
}

std::optional<Instant> persistent_keepalive_at(const Peer& peer) {
  const auto interval = std::chrono::seconds(peer.persistent_keepalive.load());
  const auto last = peer.stamps.last_traversal.get();
  if (interval == std::chrono::seconds(0) || !last) return std::nullopt;
  return *last + interval;
}

}  // namespace

DueTimers due_timers(const Peer& peer, Instant now) {
  const auto due = [now](const std::optional<Instant>& at) { return at && *at <= now; };
  return {
      .retransmit_handshake = due(peer.control.retransmit_at),
      .new_handshake = due(new_handshake_at(peer)),
      .keepalive = due(keepalive_at(peer)),
      .persistent_keepalive = due(persistent_keepalive_at(peer)),
      .initiate = due(peer.control.initiate_at),
      .zero_key_material = due(peer.control.zero_keys_at),
  };
}

std::optional<Instant> next_timer(const Peer& peer) {
  std::optional<Instant> next;
  for (const auto& at :
       {peer.control.retransmit_at, peer.control.initiate_at, peer.control.zero_keys_at,
        new_handshake_at(peer), keepalive_at(peer), persistent_keepalive_at(peer)}) {
    if (at && (!next || *at < *next)) next = at;
  }
  return next;
}

}  // namespace hawser
