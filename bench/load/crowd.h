#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <queue>
#include <span>
#include <utility>
#include <vector>

#include "base/result.h"
#include "bench/load/peer_group.h"
#include "bench/load/tunnel_peer.h"
#include "noise/aead.h"
#include "tun/unique_fd.h"

namespace hawser::load {

// What a crowd saw while it connected. Times are nanoseconds of CLOCK_MONOTONIC.
struct CrowdTally {
  std::int64_t begun_at = 0;               // the first call might leave
  std::vector<std::int64_t> connected_at;  // sorted
  std::uint64_t initiations = 0;
  std::uint64_t responses = 0;  // those that came too late included
  std::uint64_t cookie_replies = 0;
};

// Crowd is many peers, each with a socket and an address of its own, that call the controller as
// any implementation does: again after 5 s and up to a third of a second more, a cookie that the
// controller sent goes into the next call and not sooner. One thread's.
class Crowd {
 public:
  // Peer n (crowd_plan.h) is at `first_source` + n, or anywhere if that is unspecified.
  static Result<Crowd> open(const PeerPlan& plan, std::size_t num, const SidePlace& place,
                            const IpAddress& first_source);

  std::size_t size() const { return peers_.size(); }
  // Every peer asks for a new session, first at a random time within `spread_ns`, until all have
  // one or the time is over. Spread 0: all at once, with initiations that were made beforehand.
  CrowdTally connect(std::int64_t spread_ns, std::int64_t timeout_ns, Aead& aead);

 private:
  using Call = std::pair<std::int64_t, std::uint32_t>;  // when, who

  explicit Crowd(UniqueFd epoll) : epoll_(std::move(epoll)) {}
  Status watch(int fd, std::uint32_t n);
  void call_due(CrowdTally& tally);
  void call_all(CrowdTally& tally);
  void take(std::uint32_t n, CrowdTally& tally, Aead& aead);
  std::int64_t time_within(std::int64_t span_ns);

  KernelRandom random_;
  UniqueFd epoll_;
  std::vector<TunnelPeer> peers_;
  std::vector<bool> connected_;
  std::priority_queue<Call, std::vector<Call>, std::greater<>> calls_;
};

}  // namespace hawser::load
