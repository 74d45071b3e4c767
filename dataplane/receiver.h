#pragma once
// UDP → UDP and UDP → TUN. Internal to dataplane/.
#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "dataplane/coalescer.h"
#include "dataplane/opened_packet.h"
#include "dataplane/relay.h"
#include "dataplane/router.h"
#include "dataplane/train.h"
#include "dataplane/train_sealer.h"
#include "dataplane/worker_state.h"
#include "noise/aead.h"

namespace hawser {

// Receiver opens trains and hands packets on: UDP → UDP and UDP → TUN.
//
// It works in runs: what one batch brought from one remote address under one receiver index, in
// one train or, where packets come alone, in many. So packets that crossed the link one by one are
// opened, sealed and sent together.
class Receiver {
 public:
  Receiver(WorkerState& state, Aead& aead, TrainSealer& sealer, Router& router,
           PathCounters& counters, TunFeatures tun_features)
      : state_(state),
        aead_(aead),
        sealer_(sealer),
        router_(router),
        relay_(state, sealer, router, counters),
        coalescer_(tun_features),
        counters_(counters) {}

  void receive(std::span<const ReceivedTrain> trains, const Batch& batch);

 private:
  struct Run {
    bool takes(const ReceivedTrain& train) const;
    // Of the same sender and session as what is in it already.
    bool is_of(const ReceivedTrain& train, std::uint32_t index) const;

    std::uint32_t receiver_index = 0;
    Endpoint remote;
    std::uint8_t traffic_class = 0;
    std::size_t len = 0;  // of all datagrams
    std::size_t num = 0;
    std::array<std::span<std::uint8_t>, kMaxTrainSegments> datagrams;
  };

  void receive_train(const ReceivedTrain& train, const Batch& batch);
  void take_handshake(MessageType type, std::span<const std::uint8_t> message,
                      const Endpoint& from);
  void add_to_run(const ReceivedTrain& train, std::span<std::uint8_t> datagram, const Batch& batch);
  void open_run(const Batch& batch);
  bool open_and_check(Keypair& keypair, Peer& peer);
  void authenticated(Keypair& keypair, Peer& peer, std::size_t num, const Batch& batch);
  void deliver(const OpenedPacket& packet, const Batch& batch);
  void deliver_local(const OpenedPacket& packet, const Batch& batch);
  Router::Source judge_source(const OpenedPacket& packet);
  bool ends_on_this_link(const OpenedPacket& packet) const;

  WorkerState& state_;
  Aead& aead_;
  TrainSealer& sealer_;
  Router& router_;
  Relay relay_;
  Coalescer coalescer_;
  PathCounters& counters_;
  Run run_;
  std::array<AeadJob, kMaxTrainSegments> jobs_;

  // The last answers within one run: packets of a train mostly agree.
  std::optional<IpAddress> last_source_;
  Router::Source last_judgement_ = Router::Source::kNotAllowed;
  std::optional<IpAddress> last_destination_;
  Router::Decision last_decision_;
};

}  // namespace hawser
