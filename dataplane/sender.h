#pragma once
// TUN → UDP. Internal to dataplane/.
#include <cstdint>
#include <span>

#include "dataplane/gatherer.h"
#include "dataplane/router.h"
#include "dataplane/segmentation.h"
#include "dataplane/train.h"
#include "dataplane/train_sealer.h"
#include "dataplane/worker_state.h"

namespace hawser {

// Sender takes what TUN delivered: TUN → UDP. Consecutive packets of a batch for one peer leave
// together.
class Sender {
 public:
  Sender(WorkerState& state, TrainSealer& sealer, Router& router, PathCounters& counters)
      : state_(state), router_(router), counters_(counters), gatherer_(sealer) {}

  void send(std::span<const TunPacket> packets, const Batch& batch);

 private:
  void send_packet(const TunPacket& packet, const Batch& batch);
  void gather(const Segmenter& segments, Peer& to, const Batch& batch);
  void refuse(const Segmenter& segments, DropReason reason, Peer* peer, IcmpError error,
              const Batch& batch);
  bool is_own_outer_packet(const Segmenter& segments, const Endpoint& to) const;

  WorkerState& state_;
  Router& router_;
  PathCounters& counters_;
  Gatherer gatherer_;
};

}  // namespace hawser
