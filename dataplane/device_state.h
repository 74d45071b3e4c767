#pragma once
// What the device's parts share. Internal to dataplane/.
#include <array>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/quiescent.h"
#include "dataplane/attention_list.h"
#include "dataplane/device.h"
#include "dataplane/fair_mutex.h"
#include "dataplane/handshake_queue.h"
#include "dataplane/host_route_table.h"
#include "dataplane/icmp_limiter.h"
#include "dataplane/overlay_tables.h"
#include "dataplane/peer.h"
#include "dataplane/session_table.h"
#include "dataplane/staged_queue.h"
#include "dataplane/timer_queue.h"
#include "noise/identity.h"
#include "routing/allowed_ips.h"

namespace hawser {

// A counter that one thread writes and any reads: no locked instruction.
class PathCounter {
 public:
  void add(std::uint64_t num) {
    value_.store(value_.load(std::memory_order_relaxed) + num, std::memory_order_relaxed);
  }
  std::uint64_t load() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// Counters of one packet path or of the handshake thread.
struct alignas(64) PathCounters {
  PathCounter received_datagrams;
  PathCounter sent_datagrams;
  PathCounter relayed_packets;
  PathCounter tun_read_packets;
  PathCounter tun_written_packets;
  PathCounter icmp_errors_sent;
};

// DeviceState is what workers, the handshake thread and control threads see of the device.
struct DeviceState {
  DeviceState(DeviceOptions device_options, RandomSource& random_source, LogSink log_sink)
      : options(std::move(device_options)), random(random_source), log(std::move(log_sink)) {}

  const DeviceOptions options;
  RandomSource& random;  // under `mutex`
  const LogSink log;

  QuiescentDomain domain;

  // --- read by workers without a lock ---
  PrefixMap<Peer> allowed_ips{domain};
  HostRouteTable host_routes{domain};
  OverlayTables overlay{domain};
  SessionTable sessions{domain};
  StagedPool staged_pool;
  std::atomic<std::uint32_t> mtu{kDefaultMtu};
  std::atomic<bool> up{true};
  std::atomic<std::uint16_t> listen_port{0};
  std::atomic<bool> has_private_key{false};

  // --- written by any thread ---
  HandshakeQueue handshake_queue;
  AttentionList attention;
  DeviceIcmpBudget icmp_to_peers;  // what a peer's own budget allows comes here next
  DeviceIcmpBudget icmp_to_host;
  DropCounters drops;
  std::atomic<std::uint64_t> gso_refusals{0};
  std::function<void()> wake_handshakes = [] {};

  std::mutex icmp_mutex;
  std::array<IpAddress, 2> icmp_source;  // [0] v4, [1] v6; unspecified: none

  std::mutex paths_mutex;
  std::vector<std::shared_ptr<PathCounters>> paths;

  // --- under `mutex`: handshake thread and control threads ---
  mutable FairMutex mutex;
  Identity identity;
  std::uint32_t fwmark = 0;
  std::unordered_map<PublicKey, Peer*> peers;
  std::unordered_map<PublicKey, Peer*> next_keys;  // by Peer::next_public_key
  std::map<std::uint64_t, Peer*> peers_in_order;
  std::uint64_t next_order = 0;
  Overlay overlay_config;
  // Indices of handshakes under way; those of sessions are in the session table.
  std::unordered_map<std::uint32_t, Peer*> pending_indices;
  TimerQueue timers;

  // Removed peers that no worker can reach any more, but that may still be on the attention list:
  // freed by whoever next took that list.
  std::mutex graveyard_mutex;
  std::vector<Peer*> graveyard;

  void bury(Peer* peer) {
    const std::lock_guard lock(graveyard_mutex);
    graveyard.push_back(peer);
  }
  std::vector<Peer*> take_graveyard() {
    const std::lock_guard lock(graveyard_mutex);
    return std::exchange(graveyard, {});
  }
  bool has_dead_peers() {
    const std::lock_guard lock(graveyard_mutex);
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
  Peer* find_by_key(const PublicKey& key) const {
    if (const auto found = peers.find(key); found != peers.end()) return found->second;
    const auto next = next_keys.find(key);
    return next == next_keys.end() ? nullptr : next->second;
  }

  void say(LogLevel level, const std::string& text) const {
    if (log) log(level, text);
  }
  void say(LogLevel level, const Peer& peer, std::string_view text) const {
    if (log) log(level, "peer(" + peer.label() + "): " + std::string(text));
  }
  std::shared_ptr<PathCounters> new_counters() {
    const std::lock_guard lock(paths_mutex);
    paths.push_back(std::make_shared<PathCounters>());
    return paths.back();
  }
  // Takes keypairs that fell out of a peer's sessions from the table; frees them when it is safe.
  void retire(const Sessions::Removed& removed) {
    for (unsigned i = 0; i < removed.num; ++i) {
      sessions.erase(removed.keypairs[i]);
      domain.retire_object(removed.keypairs[i]);
    }
  }
};

}  // namespace hawser
