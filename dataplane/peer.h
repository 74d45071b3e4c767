#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "base/mutex.h"
#include "dataplane/device_lock.h"
#include "dataplane/drop_reason.h"
#include "dataplane/icmp_limiter.h"
#include "dataplane/sessions.h"
#include "dataplane/staged_queue.h"
#include "dataplane/timers.h"
#include "noise/cookie.h"
#include "noise/handshake.h"
#include "noise/keys.h"
#include "routing/endpoint.h"
#include "routing/ip_address.h"

namespace hawser {

// EndpointSlot is a peer's endpoint, which any authenticated packet may move. Any thread.
class EndpointSlot {
 public:
  // Asked for each packet; an endpoint that is known stays known.
  bool known() const { return known_.load(std::memory_order_relaxed); }
  bool get(Endpoint& out) const {
    if (!known()) return false;
    const Lock lock(mutex_);
    out = endpoint_;
    return true;
  }
  // Heard from there: takes the remote and the sticky source.
  void roam(const Endpoint& from) {
    const Lock lock(mutex_);
    if (known() && endpoint_ == from) return;
    take(from);
  }
  // Configured: an unchanged remote keeps its sticky source.
  void configure(const Endpoint& to) {
    const Lock lock(mutex_);
    if (known() && endpoint_.same_remote(to)) return;
    take(to);
  }
  // The path to the remote of `to` takes no segmentation offload; true: that is where the peer is,
  // and nobody had said so. Forgotten when the peer moves.
  bool refuse_gso(const Endpoint& to) {
    const Lock lock(mutex_);
    return endpoint_.same_remote(to) && !gso_refused_.exchange(true, std::memory_order_relaxed);
  }
  bool gso_refused() const { return gso_refused_.load(std::memory_order_relaxed); }
  void forget_source() {
    const Lock lock(mutex_);
    endpoint_.forget_source();
  }
  void forget_source(const IpAddress& gone) {
    const Lock lock(mutex_);
    if (endpoint_.local_address == gone) endpoint_.forget_source();
  }

 private:
  void take(const Endpoint& endpoint) HAWSER_REQUIRES(mutex_) {
    if (!endpoint_.same_remote(endpoint)) gso_refused_.store(false, std::memory_order_relaxed);
    endpoint_ = endpoint;
    known_.store(true, std::memory_order_relaxed);
  }

  mutable Mutex mutex_;
  std::atomic<bool> known_{false};
  std::atomic<bool> gso_refused_{false};
  Endpoint endpoint_ HAWSER_GUARDED_BY(mutex_);
};

// Why the handshake thread is to look after a peer.
enum AttentionFlag : std::uint32_t {
  kCheckTimers = 1,
  kWantHandshake = 2,
  kFlushStaged = 4,
  kSessionConfirmed = 8,
  kSendKeepalive = 16,
  kGsoRefused = 32,
  kTryOtherEndpoint = 128,  // the handshake that is under way begins anew, at once
  kGoodbye = 64,
};

// A peer's handshakes under one static key of its.
struct PeerKey {
  explicit PeerKey(const PublicKey& key) : handshake(key), cookie_maker(key) {}
  Handshake handshake;
  CookieMaker cookie_maker;
};

// What only the handshake thread and control threads touch.
struct PeerControl {
  explicit PeerControl(const PublicKey& key) : handshake(key), cookie_maker(key) {}

  // Under the key that the peer was last heard with; handshakes under way are of this one.
  Handshake handshake;
  CookieMaker cookie_maker;
  // While the peer goes over from one static key to another: the other one.
  std::unique_ptr<PeerKey> other_key;
  PublicKey session_key;  // which made the latest session; zero: none, or that key was dropped

  std::set<Prefix> allowed_ips;
  std::string name;         // in the network, for log lines; mostly empty without one
  std::uint64_t order = 0;  // of creation
  bool removed = false;
};

// Peer is one peer: its sessions, endpoint, staged packets and counters. Workers find it through
// the allowed IPs and the session table; it is freed when no worker can hold it any more.
class Peer {
 public:
  explicit Peer(const PublicKey& key) : public_key(key), control(key) {}

  // Its name to control threads; of two keys the present one.
  PublicKey public_key HAWSER_UNDER_LOCK_FIELD;
  std::optional<PublicKey> next_public_key HAWSER_UNDER_LOCK_FIELD;
  PeerControl control HAWSER_UNDER_LOCK_FIELD;

  // What log lines call it.
  std::string label() const HAWSER_UNDER_LOCK {
    return control.name.empty() ? public_key.to_short_string() : control.name;
  }

  // --- any thread ---
  Sessions sessions;
  EndpointSlot endpoint;
  StagedQueue staged;
  PeerTimers timers;
  std::atomic<std::uint64_t> rx_bytes{0};
  std::atomic<std::uint64_t> tx_bytes{0};
  DropCounters drops;
  PeerIcmpBudget icmp_errors;  // in answer to its packets

  // A controller of the overlay.
  std::atomic<bool> is_controller{false};
  // A controller, or a gateway among several, and whether the watch over it finds it reachable
  // (dataplane/liveness.h).
  std::atomic<bool> is_watched{false};
  std::atomic<bool> reachable{true};

  // AttentionList's.
  std::atomic<std::uint32_t> attention{0};
  Peer* attention_next = nullptr;
};

}  // namespace hawser
