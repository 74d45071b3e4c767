#pragma once
// What the handshake thread and control threads share. Internal to dataplane/.
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "dataplane/device_lock.h"
#include "dataplane/timer_queue.h"
#include "dataplane/worker_state.h"
#include "noise/identity.h"

namespace hawser {

// DeviceState is what workers know of the device, and behind the device's lock the rest.
struct DeviceState : WorkerState {
  DeviceState(DeviceOptions device_options, RandomSource& random_source, LogSink log_sink)
      : WorkerState(std::move(device_options), std::move(log_sink)), random(random_source) {}

  FairMutex mutex;  // with DeviceLock

  RandomSource& random HAWSER_UNDER_LOCK_FIELD;
  Identity identity HAWSER_UNDER_LOCK_FIELD;
  std::uint32_t fwmark HAWSER_UNDER_LOCK_FIELD = 0;
  std::unordered_map<PublicKey, Peer*> peers HAWSER_UNDER_LOCK_FIELD;
  // By Peer::next_public_key.
  std::unordered_map<PublicKey, Peer*> next_keys HAWSER_UNDER_LOCK_FIELD;
  std::map<std::uint64_t, Peer*> peers_in_order HAWSER_UNDER_LOCK_FIELD;
  std::uint64_t next_order HAWSER_UNDER_LOCK_FIELD = 0;
  Overlay overlay_config HAWSER_UNDER_LOCK_FIELD;
  // Indices of handshakes under way; those of sessions are in the session table.
  std::unordered_map<std::uint32_t, Peer*> pending_indices HAWSER_UNDER_LOCK_FIELD;
  TimerQueue timers HAWSER_UNDER_LOCK_FIELD;

  // Removed peers that no worker can reach any more, but that may still be on the attention list:
  // freed by whoever next took that list.
  Mutex graveyard_mutex;
  std::vector<Peer*> graveyard HAWSER_GUARDED_BY(graveyard_mutex);

  void bury(Peer* peer) {
    const Lock lock(graveyard_mutex);
    graveyard.push_back(peer);
  }
  std::vector<Peer*> take_graveyard() {
    const Lock lock(graveyard_mutex);
    return std::exchange(graveyard, {});
  }
  bool has_dead_peers() {
    const Lock lock(graveyard_mutex);
    return !graveyard.empty();
  }
  void free_peers(const std::vector<Peer*>& dead) {
    for (Peer* peer : dead) {
      // A worker may have staged or dropped packets between the removal and its next quiescent
      // point.
      peer->drops.add(DropReason::kStagedExpired, peer->staged.clear(staged_pool));
      drops.take_over(peer->drops);
      delete peer;
    }
  }

  // By either of its keys; null: none.
  Peer* find_by_key(const PublicKey& key) const HAWSER_UNDER_LOCK {
    if (const auto found = peers.find(key); found != peers.end()) return found->second;
    const auto next = next_keys.find(key);
    return next == next_keys.end() ? nullptr : next->second;
  }

  using WorkerState::say;
  void say(LogLevel level, const Peer& peer, std::string_view text) const HAWSER_UNDER_LOCK {
    if (log) log(level, "peer(" + peer.label() + "): " + std::string(text));
  }
};

// For tests and benchmarks, which look into a device that no other thread uses.
struct DeviceInspector {
  static DeviceState& state(Device& device);
};

}  // namespace hawser
