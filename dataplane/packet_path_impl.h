#pragma once
// The parts of one worker's packet path. Internal to dataplane/.
#include <array>
#include <memory>
#include <optional>
#include <span>

#include "dataplane/device_state.h"
#include "dataplane/packet_path.h"
#include "dataplane/segmentation.h"
#include "dataplane/train_sealer.h"
#include "routing/icmp.h"
#include "routing/ip_packet.h"

namespace hawser {

// A decrypted packet on its way to somewhere.
struct OpenedPacket {
  std::uint8_t* datagram = nullptr;  // the transport message that it came in
  std::uint32_t plain_len = 0;       // as received, with padding
  IpHeader header;
  Peer* from = nullptr;

  std::span<std::uint8_t> packet() const {
    return {datagram + sizeof(TransportHeader), header.packet_len};
  }
};

// Destinations that mean this link, not the network behind it; they are never relayed.
bool stays_on_link(const IpAddress& destination);

// Router decides where a packet goes, and answers for it with ICMP where a router would.
// packet_path's, one for each worker.
class Router {
 public:
  enum class Where : std::uint8_t { kLocal, kPeer, kNotForUs, kNoRoute };
  struct Decision {
    Where where = Where::kNoRoute;
    Peer* peer = nullptr;
  };

  Router(DeviceState& state, TrainSealer& sealer, PathCounters& counters)
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
                  Peer* from, const Now& now, OutBatch& out);

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

  DeviceState& state_;
  TrainSealer& sealer_;
  PathCounters& counters_;
};

// Relay gathers the packets of one run by the peer that they go to, and sends each peer's as one
// train. Order changes only between peers.
class Relay {
 public:
  Relay(DeviceState& state, TrainSealer& sealer, Router& router, PathCounters& counters)
      : state_(state), sealer_(sealer), router_(router), counters_(counters) {}

  // A packet from a peer to another (or the same) peer: hop limit, MTU, padding.
  void forward(const OpenedPacket& packet, Peer& to, const Now& now, OutBatch& out);
  // A packet of our own (an echo reply) laid over the one that came.
  void send_own(const OpenedPacket& packet, Peer& to, const Now& now, OutBatch& out);
  // Sends what is gathered. Before anything else goes to a peer, and at the end of a run.
  void flush(const Now& now, OutBatch& out);

 private:
  void gather(const OpenedPacket& packet, Peer& to, const Now& now, OutBatch& out);
  void flush_mixed(const Now& now, OutBatch& out);
  std::uint32_t mtu() const;
  void fragment(const OpenedPacket& packet, Peer& to, const Now& now, OutBatch& out);

  DeviceState& state_;
  TrainSealer& sealer_;
  Router& router_;
  PathCounters& counters_;
  std::size_t num_ = 0;
  std::array<SealItem, kMaxTrainSegments> items_;
  std::array<Peer*, kMaxTrainSegments> peers_;  // whose items_[i] is; null: taken
  bool mixed_ = false;                          // more than one peer among them
};

// Receiver opens trains and hands packets on: UDP → UDP and UDP → TUN.
//
// It works in runs: what one batch brought from one remote address under one receiver index, in
// one train or, where packets come alone, in many. So packets that crossed the link one by one are
// opened, sealed and sent together.
class Receiver {
 public:
  Receiver(DeviceState& state, Aead& aead, TrainSealer& sealer, Router& router,
           PathCounters& counters, TunFeatures tun_features)
      : state_(state),
        aead_(aead),
        sealer_(sealer),
        router_(router),
        relay_(state, sealer, router, counters),
        coalescer_(tun_features),
        counters_(counters) {}

  void receive(std::span<const ReceivedTrain> trains, const Now& now, OutBatch& out);

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

  void receive_train(const ReceivedTrain& train, const Now& now, OutBatch& out);
  void take_handshake(std::span<const std::uint8_t> message, const Endpoint& from);
  void add_to_run(const ReceivedTrain& train, std::span<std::uint8_t> datagram, const Now& now,
                  OutBatch& out);
  void open_run(const Now& now, OutBatch& out);
  bool open_and_check(Keypair& keypair, Peer& peer);
  void authenticated(Keypair& keypair, Peer& peer, std::size_t num, const Now& now, OutBatch& out);
  void deliver(const OpenedPacket& packet, const Now& now, OutBatch& out);
  void deliver_local(const OpenedPacket& packet, const Now& now, OutBatch& out);
  Router::Source judge_source(const OpenedPacket& packet);
  bool ends_on_this_link(const OpenedPacket& packet) const;

  DeviceState& state_;
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

// Sender takes what TUN delivered: TUN → UDP. Consecutive packets of a batch for one peer leave
// together.
class Sender {
 public:
  Sender(DeviceState& state, TrainSealer& sealer, Router& router, PathCounters& counters)
      : state_(state), sealer_(sealer), router_(router), counters_(counters) {}

  void send(std::span<const TunPacket> packets, const Now& now, OutBatch& out);

 private:
  void send_packet(const TunPacket& packet, const Now& now, OutBatch& out);
  void gather(const Segmenter& segments, const IpHeader& header, Peer& to, const Now& now,
              OutBatch& out);
  void flush(const Now& now, OutBatch& out);
  void refuse(const TunPacket& packet, const IpHeader& header, std::uint32_t num_segments,
              DropReason reason, Peer* peer, IcmpError error, const Now& now, OutBatch& out);
  bool is_own_outer_packet(std::span<const std::uint8_t> packet, const IpHeader& header,
                           const Endpoint& to) const;

  DeviceState& state_;
  TrainSealer& sealer_;
  Router& router_;
  PathCounters& counters_;
  Peer* to_ = nullptr;
  std::size_t num_ = 0;
  std::size_t len_ = 0;  // of all datagrams
  std::array<SealItem, kMaxTrainSegments> items_;
};

struct PacketPath::Impl : SendObserver {
  Impl(DeviceState& device_state, std::unique_ptr<Aead> path_aead, TunFeatures tun_features)
      : state(device_state),
        reader(state.domain),
        counters(state.new_counters()),
        aead(std::move(path_aead)),
        sealer(state, *aead, *counters),
        router(state, sealer, *counters),
        receiver(state, *aead, sealer, router, *counters, tun_features),
        sender(state, sealer, router, *counters) {}

  void udp_outcome(const UdpSend& send, const UdpOutcome& outcome) override;
  void tun_write_failed(const TunWrite& write, int error) override;

  DeviceState& state;
  QuiescentDomain::Reader reader;
  std::shared_ptr<PathCounters> counters;
  std::unique_ptr<Aead> aead;
  TrainSealer sealer;
  Router router;
  Receiver receiver;
  Sender sender;
};

}  // namespace hawser
