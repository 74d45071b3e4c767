#pragma once
// Watches everything that leaves and reaches the nodes of a simulation, and holds it against what
// must always be true. It knows the protocol's messages from their bytes alone.
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "noise/messages.h"
#include "tests/sim/node.h"

namespace hawser::testing {

inline bool is_transport(const Packet& bytes) {
  return classify_message(bytes) == MessageType::kTransportData;
}

// A datagram between the nodes. Copies of one datagram share its id.
struct WireDatagram {
  std::uint64_t id = 0;
  Packet bytes;
  int from = -1;          // the node that made it; -1: an attacker
  int to = -1;            // whom it was meant for
  bool authentic = true;  // unchanged since `from` made it
  Endpoint source;        // from where it seems to come
  std::uint8_t traffic_class = 0;
};

// What a node has to answer for: every packet that goes in comes out, is counted as dropped, or
// waits in a queue.
struct Ledger {
  std::uint64_t datagrams_in = 0;
  std::uint64_t tun_in = 0;
  std::uint64_t data_out = 0;  // transport data with something in it
  std::uint64_t tun_out = 0;
  std::uint64_t handshakes_taken = 0;
  std::int64_t keepalives_taken = 0;  // what is left over
};

class Observer {
 public:
  // A node as the observer sees it.
  struct Subject {
    int index = 0;
    unsigned generation = 0;  // counts restarts
    Node* node = nullptr;
    Ledger* ledger = nullptr;
  };
  struct SentPacket {
    int from = 0;
    int to = 0;
    unsigned hops = 0;
    bool forged = false;  // its source is not the sender's
    bool dies = false;    // its hop limit does not suffice
    Duration at{};
    bool arrived = false;
  };

  explicit Observer(std::uint32_t mtu) : mtu_(mtu) {}

  // --- what happened; `now` is virtual time ---
  std::uint64_t packet_sent(const SentPacket& packet);  // returns its id
  void emitted(const Subject& node, int to, const Datagram& datagram, Duration now);
  void before_train(const Subject& node);
  void after_train(const Subject& node, const std::vector<WireDatagram>& train);
  void before_turn(const Subject& node);
  void after_turn(const Subject& node, const std::vector<WireDatagram>& queued);
  void written_to_tun(const Subject& node, const Packet& packet, Duration now);
  // Every packet is accounted for; at most `keepalives` of what came in now were keepalives.
  void check_ledger(const Subject& node, std::int64_t keepalives);
  // The 5 s between two initiations start over (key change, down, peer added anew).
  void forget_initiations(int node, int peer);

  // From here on packets of a pair must arrive in order.
  void expect_order(bool expected) {
    order_expected_ = expected;
    last_arrived_.clear();
  }

  const std::vector<SentPacket>& packets() const { return packets_; }
  bool was_accepted(const Subject& node, std::uint64_t datagram_id) const;
  const std::vector<std::string>& violations() const { return violations_; }
  void violated(const std::string& text) { violations_.push_back(text); }
  std::uint64_t num_emitted() const { return num_emitted_; }
  std::uint64_t num_initiations() const { return num_initiations_; }
  std::uint64_t num_cookie_replies() const { return num_cookie_replies_; }
  std::uint64_t num_arrived() const { return num_arrived_; }

 private:
  using Incarnation = std::pair<int, unsigned>;

  void transport_emitted(const Subject& node, const Packet& bytes);
  void initiation_emitted(const Subject& node, int to, const Packet& bytes, Duration now);
  void response_emitted(const Subject& node, int to, const Packet& bytes, Duration now);
  void check_endpoints(const Subject& node, const std::vector<WireDatagram>& heard);

  std::uint32_t mtu_;
  std::vector<SentPacket> packets_;
  std::vector<std::string> violations_;
  std::uint64_t num_emitted_ = 0;
  std::uint64_t num_initiations_ = 0;
  std::uint64_t num_cookie_replies_ = 0;
  std::uint64_t num_arrived_ = 0;

  // By sender and receiver index: the counters that were used.
  std::map<std::pair<Incarnation, std::uint32_t>, std::unordered_set<std::uint64_t>> nonces_;
  // When a node last sent an initiation or response to another.
  std::map<std::pair<Incarnation, int>, Duration> last_handshake_;
  std::set<std::uint32_t> initiation_indices_;
  // What a node knows of initiations it has answered it loses with a restart or with the peer.
  std::map<Incarnation, std::set<std::uint32_t>> answered_indices_;
  std::map<Incarnation, std::unordered_set<std::uint64_t>> accepted_;
  bool order_expected_ = false;
  std::map<std::pair<int, int>, std::uint64_t> last_arrived_;

  // Of the node that is being watched.
  std::map<PublicKey, Endpoint> endpoints_before_;
  std::uint64_t rx_before_ = 0;
  std::size_t log_before_ = 0;
};

}  // namespace hawser::testing
