#pragma once
// Two nodes that know each other, for directed tests.
#include <array>
#include <chrono>
#include <cstdint>
#include <utility>
#include <vector>

#include "dataplane/device_state.h"
#include "gtest/gtest.h"
#include "noise/messages.h"
#include "tests/sim/node.h"

namespace hawser::testing {

using namespace std::chrono_literals;

// A start well after the clocks' origins.
inline const Now kStart{Instant(1000s), {1'700'000'000, 0}};

inline Now later(const Now& now, Duration by) {
  const std::int64_t total = now.wall.nanoseconds + by.count();
  return {now.boot + by,
          {now.wall.seconds + total / 1'000'000'000,
           static_cast<std::uint32_t>(total % 1'000'000'000)}};
}

// a (10.0.0.1, fd00::1, at 192.0.2.1:1001) and b (10.0.0.2, fd00::2, at 192.0.2.2:1002), each
// other's only peer.
struct Pair {
  explicit Pair(const DeviceOptions& options = {}, const DeviceOptions& options_b = {})
      : a(options, make_private_key(1), 11), b(options_b, make_private_key(2), 12) {
    set_now(kStart);
    meet(a, peer_change(b.public_key(), {prefix("10.0.0.2/32"), prefix("fd00::2/128")}, at_b));
    meet(b, peer_change(a.public_key(), {prefix("10.0.0.1/32"), prefix("fd00::1/128")}, at_a));
  }

  // An hour later, as strangers: each peer is removed and made anew. For fuzzers, to which a new
  // pair costs too much.
  void start_over() {
    a.run_handshakes();  // what they still had to hear of each other
    b.run_handshakes();
    sleep(3600s);
    meet(a, peer_change(b.public_key(), {prefix("10.0.0.2/32"), prefix("fd00::2/128")}, at_b));
    meet(b, peer_change(a.public_key(), {prefix("10.0.0.1/32"), prefix("fd00::1/128")}, at_a));
  }
  std::array<Node*, 2> nodes() { return {&a, &b}; }
  static void meet(Node& node, PeerChange peer) {
    DeviceChange change;
    PeerChange gone;
    gone.public_key = peer.public_key;
    gone.remove = true;
    change.peers.push_back(std::move(gone));
    change.peers.push_back(std::move(peer));
    node.apply(std::move(change));
    node.run_handshakes();
    node.sent.clear();
    node.to_tun.clear();
    node.writes.clear();
    node.log.clear();
  }

  void set_now(const Now& now) {
    now_ = now;
    a.set_now(now);
    b.set_now(now);
  }
  const Now& now() const { return now_; }
  // Time passes for both; nobody does anything meanwhile.
  void sleep(Duration by) { set_now(later(now_, by)); }

  // Carries what each has sent to the other, until nothing is left on the way.
  void deliver() {
    for (int round = 0; round < 20; ++round) {
      a.run_handshakes();
      b.run_handshakes();
      if (a.sent.empty() && b.sent.empty()) return;
      carry(a, b, at_a);
      carry(b, a, at_b);
    }
    FAIL() << "they never stop talking";
  }
  // Time passes in steps; timers fire and everything is delivered.
  void run(Duration by, Duration step = 50ms) {
    for (Duration done{}; done < by; done += step) {
      sleep(std::min(step, by - done));
      deliver();
    }
  }
  // Time passes for both, but nothing is delivered: the network is down. What is sent, and when
  // (counted from now).
  struct Sent {
    Duration at;
    int from;  // 0: a, 1: b
    Datagram datagram;
    MessageType type() const { return *classify_message(datagram.bytes); }
  };
  std::vector<Sent> run_cut_off(Duration by, Duration step = 10ms) {
    std::vector<Sent> all;
    for (Duration done = step; done <= by; done += step) {
      sleep(step);
      for (Node* node : {&a, &b}) {
        node->run_handshakes();
        for (Datagram& datagram : std::exchange(node->sent, {})) {
          all.push_back({done, node == &a ? 0 : 1, std::move(datagram)});
        }
      }
    }
    return all;
  }
  // The same with everything delivered.
  std::vector<Sent> run_watched(Duration by, Duration step = 10ms) {
    std::vector<Sent> all;
    for (Duration done = step; done <= by; done += step) {
      sleep(step);
      for (bool more = true; more;) {
        more = false;
        for (Node* node : {&a, &b}) {
          node->run_handshakes();
          Node& other = node == &a ? b : a;
          for (const Datagram& datagram : std::exchange(node->sent, {})) {
            all.push_back({done, node == &a ? 0 : 1, datagram});
            other.receive({datagram.bytes, node == &a ? at_a : at_b, datagram.traffic_class});
            more = true;
          }
        }
      }
    }
    return all;
  }
  static Peer& only_peer(Node& node) {
    return *DeviceInspector::state(node.device()).peers_in_order.begin()->second;
  }
  Peer& b_at_a() { return only_peer(a); }
  Peer& a_at_b() { return only_peer(b); }

  static void carry(Node& from, Node& to, const Endpoint& as) {
    for (const Datagram& datagram : std::exchange(from.sent, {})) {
      to.receive({datagram.bytes, as, datagram.traffic_class});
    }
  }

  Packet from_a(std::uint64_t id, std::size_t len = 64) const {
    return make_packet({.source = address("10.0.0.1"),
                        .destination = address("10.0.0.2"),
                        .id = id,
                        .payload_len = len});
  }
  Packet from_b(std::uint64_t id, std::size_t len = 64) const {
    return make_packet({.source = address("10.0.0.2"),
                        .destination = address("10.0.0.1"),
                        .id = id,
                        .payload_len = len});
  }
  // One packet from a to b; a is the initiator.
  void connect() {
    a.send(from_a(1));
    deliver();
    ASSERT_EQ(b.to_tun.size(), 1U);
    b.to_tun.clear();
  }

  Endpoint at_a = endpoint("192.0.2.1", 1001);
  Endpoint at_b = endpoint("192.0.2.2", 1002);
  Node a;
  Node b;

 private:
  Now now_;
};

}  // namespace hawser::testing
