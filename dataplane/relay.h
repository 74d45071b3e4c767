#pragma once
// UDP → UDP. Internal to dataplane/.
#include <cstdint>

#include "dataplane/gatherer.h"
#include "dataplane/opened_packet.h"
#include "dataplane/router.h"
#include "dataplane/train.h"
#include "dataplane/train_sealer.h"
#include "dataplane/worker_state.h"

namespace hawser {

// Relay sends packets that came from a peer on to a peer: what one run brought for one of them, as
// one train. One for each packet path.
class Relay {
 public:
  Relay(WorkerState& state, TrainSealer& sealer, Router& router, PathCounters& counters)
      : state_(state), sealer_(sealer), router_(router), counters_(counters), gatherer_(sealer) {}

  // A packet from a peer to another (or the same) peer: hop limit, MTU, padding.
  void forward(const OpenedPacket& packet, Peer& to, const Batch& batch);
  // A packet of our own (an echo reply) laid over the one that came.
  void send_own(const OpenedPacket& packet, Peer& to, const Batch& batch);
  // Sends what is gathered: at the end of a run.
  void flush(const Batch& batch) { gatherer_.flush(batch); }

 private:
  void gather(const OpenedPacket& packet, Peer& to, const Batch& batch);
  std::uint32_t mtu() const;
  void fragment(const OpenedPacket& packet, Peer& to, const Batch& batch);

  WorkerState& state_;
  TrainSealer& sealer_;
  Router& router_;
  PathCounters& counters_;
  Gatherer gatherer_;
};

}  // namespace hawser
