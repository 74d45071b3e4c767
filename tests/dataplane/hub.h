#pragma once
#include <array>
#include <utility>
#include <vector>

#include "tests/dataplane/pair.h"

namespace hawser::testing {

// A controller (10.0.0.1, fd00::1) and two peers, a (…2) and b (…3), all with sessions.
class Hub {
 public:
  explicit Hub(DeviceOptions options = direct())
      : hub(std::move(options), make_private_key(1), 11),
        a({}, make_private_key(2), 12),
        b({}, make_private_key(3), 13) {
    set_now(kStart);
    introduce();
    drops_before_ = total_drops(hub.device());
  }
  // An hour later, with peers made anew. For fuzzers, to which a new hub costs too much.
  void start_over() {
    for (Node* node : nodes()) node->run_handshakes();
    sleep(3600s);
    introduce();
  }
  static DeviceOptions direct() {
    DeviceOptions options;
    options.forward = ForwardMode::kDirect;
    options.own_addresses = {address("10.0.0.1"), address("fd00::1")};
    return options;
  }
  static DeviceOptions with(ForwardMode forward, bool has_tun) {
    DeviceOptions options = direct();
    options.forward = forward;
    options.has_tun = has_tun;
    return options;
  }

  std::array<Node*, 3> nodes() { return {&hub, &a, &b}; }
  void set_now(const Now& now) {
    now_ = now;
    for (Node* node : nodes()) node->set_now(now);
  }
  void sleep(Duration by) { set_now(later(now_, by)); }
  void deliver() {
    for (int round = 0; round < 20; ++round) {
      for (Node* node : nodes()) node->run_handshakes();
      for (Node* node : {&a, &b}) {
        const Endpoint from = node == &a ? at_a : at_b;
        for (const Datagram& d : std::exchange(node->sent, {})) hub.receive({d.bytes, from, 0});
      }
      for (const Datagram& d : std::exchange(hub.sent, {})) {
        (d.remote.same_remote(at_a) ? a : b).receive({d.bytes, at_hub, d.traffic_class});
      }
    }
  }
  void give_hub(const PublicKey& key, const char* allowed, bool with_endpoint = true) {
    DeviceChange change;
    change.peers.push_back(peer_change(key, {prefix(allowed)}));
    if (with_endpoint) change.peers.back().endpoint = at_b;
    hub.apply(std::move(change));
    deliver();
  }
  std::uint64_t new_drops() { return total_drops(hub.device()) - drops_before_; }

  Endpoint at_hub = endpoint("192.0.2.1", 1001);
  Endpoint at_a = endpoint("192.0.2.2", 1002);
  Endpoint at_b = endpoint("192.0.2.3", 1003);
  Node hub;
  Node a;
  Node b;

 private:
  void introduce() {
    join(a, "10.0.0.2/32", "fd00::2/128");
    join(b, "10.0.0.3/32", "fd00::3/128");
    a.send(make_echo_request(address("10.0.0.2"), address("10.0.0.1"), 1));
    deliver();
    b.send(make_echo_request(address("10.0.0.3"), address("10.0.0.1"), 1));
    deliver();
    hub.to_tun.clear();
    a.to_tun.clear();
    b.to_tun.clear();
  }
  void join(Node& node, const char* v4, const char* v6) {
    Pair::meet(hub, peer_change(node.public_key(), {prefix(v4), prefix(v6)}));
    Pair::meet(node, peer_change(hub.public_key(), {prefix("0.0.0.0/0"), prefix("::/0")}, at_hub));
  }

  Now now_;
  std::uint64_t drops_before_ = 0;
};

}  // namespace hawser::testing
