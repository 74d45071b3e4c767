#pragma once
// What a worker may touch of the device. Internal to dataplane/.
#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "base/quiescent.h"
#include "dataplane/attention_list.h"
#include "dataplane/device.h"
#include "dataplane/handshake_queue.h"
#include "dataplane/host_route_table.h"
#include "dataplane/icmp_limiter.h"
#include "dataplane/overlay_tables.h"
#include "dataplane/peer.h"
#include "dataplane/session_table.h"
#include "dataplane/staged_queue.h"
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

// Tables are read by workers without a lock, inside a reader section of `domain`.
struct Tables {
  QuiescentDomain domain;
  PrefixMap<Peer> allowed_ips{domain};
  HostRouteTable host_routes{domain};
  OverlayTables overlay{domain};
  SessionTable sessions{domain};
  StagedPool staged_pool;
  std::atomic<std::uint32_t> mtu{kDefaultMtu};
  std::atomic<bool> up{true};
  std::atomic<std::uint16_t> listen_port{0};
  std::atomic<bool> has_private_key{false};

  // Takes keypairs that fell out of a peer's sessions from the table; frees them when it is safe.
  void retire(const Sessions::Removed& removed) {
    for (unsigned i = 0; i < removed.num; ++i) {
      sessions.erase(removed.keypairs[i]);
      domain.retire_object(removed.keypairs[i]);
    }
  }
};

// Mailboxes are written by any thread: what the handshake thread is to do, budgets, counters.
struct Mailboxes {
  HandshakeQueue handshake_queue;
  AttentionList attention;
  std::function<void()> wake_handshakes = [] {};
  DeviceIcmpBudget icmp_to_peers;  // what a peer's own budget allows comes here next
  DeviceIcmpBudget icmp_to_host;
  DropCounters drops;
  std::atomic<std::uint64_t> gso_refusals{0};

  Mutex icmp_mutex;
  std::array<IpAddress, 2> icmp_source HAWSER_GUARDED_BY(icmp_mutex);  // [0] v4, [1] v6; or none

  Mutex paths_mutex;
  std::vector<std::shared_ptr<PathCounters>> paths HAWSER_GUARDED_BY(paths_mutex);

  std::shared_ptr<PathCounters> new_counters() {
    const Lock lock(paths_mutex);
    paths.push_back(std::make_shared<PathCounters>());
    return paths.back();
  }
};

// WorkerState is all that packet paths know of the device.
struct WorkerState : Tables, Mailboxes {
  WorkerState(DeviceOptions device_options, LogSink log_sink)
      : options(std::move(device_options)), log(std::move(log_sink)) {}

  const DeviceOptions options;
  const LogSink log;

  void say(LogLevel level, const std::string& text) const {
    if (log) log(level, text);
  }
};

}  // namespace hawser
