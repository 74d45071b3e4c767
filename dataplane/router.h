#pragma once
// Where packets go. Internal to dataplane/.
#include <cstdint>
#include <optional>
#include <span>

#include "dataplane/train.h"
#include "dataplane/train_sealer.h"
#include "dataplane/worker_state.h"
#include "routing/icmp.h"
#include "routing/ip_packet.h"

namespace hawser {

// Destinations that mean this link, not the network behind it; they are never relayed.
bool stays_on_link(const IpAddress& destination);

// Router decides where a packet goes, and answers for it with ICMP where a router would.
// Inside a reader section; one for each packet path.
class Router {
 public:
  enum class Where : std::uint8_t { kLocal, kPeer, kNotForUs, kNoRoute };
  struct Decision {
    Where where = Where::kNoRoute;
    Peer* peer = nullptr;
  };

  Router(WorkerState& state, TrainSealer& sealer, PathCounters& counters)
      : state_(state), sealer_(sealer), counters_(counters) {}

  // For a packet that came from the peer `from`.
  Decision decide(const IpAddress& destination, const Peer& from, Instant now) const;
  // For a packet of our own, out of TUN. Null: no route.
  Peer* peer_for(const IpAddress& destination, Instant now) const;
  // What a packet of the peer `from` may do with this source.
  enum class Source : std::uint8_t {
    kGood,
    kThisLink,    // comes to us, but is never handed on: link-local and unspecified
    kNotAllowed,  // belongs to another peer or to none
    kImpossible,  // names nobody beyond a router: our own, loopback, multicast, 0.0.0.0/8,
                  // 240.0.0.0/4
  };
  Source judge_source(const Peer& from, const IpAddress& source) const;
  bool is_own(const IpAddress& address) const;
  // Is it an address of the host that our UDP sockets are in? That need not be where TUN is.
  bool is_outer_address(const IpAddress& address) const {
    return state_.host_routes.is_outer_address(address);
  }

  // Answers `offending` with an ICMP error, if one may be sent: to the peer it came from, or
  // (from == null) into TUN.
  void send_error(std::span<const std::uint8_t> offending, const IpHeader& header, IcmpError error,
                  Peer* from, const Batch& batch);

 private:
  struct PeerRoute {
    Peer* peer = nullptr;
    unsigned length = 0;
    bool barred = false;  // there is a way, but not for a packet that came from there
  };
  bool owns_source(const Peer& from, const IpAddress& source) const;
  PeerRoute peer_route(const IpAddress& destination, const Peer* from, Instant now) const;
  std::optional<IpAddress> error_source(IpFamily family) const;
  bool may_spend(IcmpError error, Peer* from, Instant now) const;

  WorkerState& state_;
  TrainSealer& sealer_;
  PathCounters& counters_;
};

}  // namespace hawser
