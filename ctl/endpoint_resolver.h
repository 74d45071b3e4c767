#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/log_sink.h"
#include "base/random_source.h"
#include "base/result.h"
#include "base/time.h"
#include "ctl/name_resolver.h"
#include "dataplane/change.h"
#include "dataplane/view.h"
#include "network/plan.h"

namespace hawser {

// How often tick() is to be called.
inline constexpr Duration kEndpointTick = std::chrono::seconds(1);
// Between two tries for one peer: from the first to the second, doubling, with a quarter of jitter.
inline constexpr Duration kMinResolveBackoff = std::chrono::seconds(1);
inline constexpr Duration kMaxResolveBackoff = std::chrono::seconds(60);
// An endpoint that was given is left alone for two initiations, which come every 5 s.
inline constexpr Duration kEndpointTrial = std::chrono::seconds(11);

// Without a sign of life for so long, the other address family gets its turn (RFC 8305 in spirit:
// there is no connection to race, but there are handshakes). With the tick, two seconds at most.
inline constexpr Duration kFamilyFallback = std::chrono::seconds(1);

// EndpointResolver gives peers the endpoints that the network file names, and another one when
// handshakes fail. It touches a peer only when
//   - it has no endpoint at all, or
//   - a reload gave it another name, which does not lead to where it is now, or
//   - its handshakes fail: two initiations without an answer from a peer that was never heard,
//     three from one that was. A peer that was heard from anywhere is left there.
// Candidates are the name's addresses as they are found then (those with a route first, then those
// of the family that worked last time), and where the peer was last alive; the next one that was
// not tried takes its turn. The first of the other family comes after kFamilyFallback already, so
// that an IPv6 that leads nowhere costs 2 s before IPv4 is used. Nobody waits for name servers, and
// the start does not fail on them. Control thread.
class EndpointResolver {
 public:
  struct Ports {
    std::unique_ptr<NameResolver> names;
    std::function<std::optional<PeerView>(const PublicKey&)> view;
    std::function<Status(DeviceChange)> apply;
  };

  // `clock` and `random` outlive it; `random` is used on this thread only.
  EndpointResolver(Ports ports, Clock& clock, RandomSource& random, LogSink log);

  // The peers of `plan` that have an endpoint. Those that stay as they were keep their state.
  void set_plan(const HostPlan& plan);
  void tick();

 private:
  struct Target {
    std::string peer;  // its name
    PublicKey key;
    EndpointName endpoint;
    std::vector<Endpoint> found;         // at the last lookup that succeeded
    std::vector<Endpoint> tried;         // since the peer was last heard
    std::optional<Endpoint> last_live;   // where it was heard
    std::optional<Instant> fallback_at;  // the other family's turn, unless it is heard
    bool fell_back = false;              // since it was heard: then each gets its whole trial
    std::uint64_t rx_bytes = 0;
    bool is_failing = false;
    bool is_renamed = false;  // and the new name was not resolved yet
    bool is_looking_up = false;
    Duration backoff = kMinResolveBackoff;
    Instant next_try{};
  };

  static void observe(Target& target, const PeerView& view);
  void look_up(Target& target);
  void looked_up(const PublicKey& key, const EndpointName& endpoint,
                 Result<std::vector<IpAddress>> result);
  std::vector<Endpoint> to_endpoints(const std::vector<IpAddress>& addresses, std::uint16_t port,
                                     const std::optional<Endpoint>& worked);
  std::optional<Endpoint> other_family(const Target& target, const Endpoint& present) const;
  void fall_back(Target& target, const PeerView& view);
  static bool is_wanted(const Target& target, const PeerView& view);
  std::optional<Endpoint> choose(Target& target, const PeerView& view) const;
  void give(Target& target, const PeerView& view, const Endpoint& endpoint);
  Duration take_backoff(Target& target, Duration at_least);

  Ports ports_;
  Clock& clock_;
  RandomSource& random_;
  LogSink log_;
  std::vector<Target> targets_;
};

}  // namespace hawser
