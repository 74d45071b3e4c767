#pragma once
// Two controllers and three peers on virtual time, each running what its plan says.
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/wire.h"
#include "ctl/plan_change.h"
#include "dataplane/device_state.h"
#include "tests/dataplane/pair.h"
#include "tests/network/support.h"

namespace hawser::testing {

// The hosts of a VirtualNetwork.
inline constexpr std::size_t kServer1 = 0;
inline constexpr std::size_t kServer2 = 1;
inline constexpr std::size_t kLaptop = 2;
inline constexpr std::size_t kPrinter = 3;
inline constexpr std::size_t kStorage = 4;

// A handshake that came too early, or crossed another, is tried again after 5 s and some jitter; a
// controller that was taken for dead is believed after two answers, a second apart.
inline constexpr Duration kConnected = 9s;

// One host: its device, and a kernel that answers echo requests.
class VirtualHost {
 public:
  VirtualHost(const HostPlan& plan, std::uint32_t number)
      : outer(endpoint(("192.0.2." + std::to_string(number)).c_str(), 51820)),
        plan_(plan),
        number_(number) {}

  bool is_up() const { return node_ != nullptr; }
  const HostPlan& plan() const { return plan_; }
  Node& node() { return *node_; }

  void start(const Now& now) {
    DeviceOptions options;
    if (plan_.role == HostRole::kController) options.forward = ForwardMode::kDirect;
    node_ = std::make_unique<Node>(options, network_test::private_key(number_),
                                   100 + number_ + starts_, TunFeatures{}, &store_);
    ++starts_;
    node_->set_now(now);
    HostRoutes routes;
    for (const InterfaceAddress& own : plan_.interface.addresses) {
      routes.own_addresses.push_back(own.address);
    }
    node_->device().set_host_routes(routes);
    node_->apply(plan_change(plan_, nullptr, {}));
  }
  void kill() { node_.reset(); }

  // Between the two hosts' addresses in one subnet, where there is one.
  void ping(const VirtualHost& to, std::uint16_t id) {
    const IpAddress destination = to.plan_.interface.addresses.front().address;
    IpAddress source = plan_.interface.addresses.front().address;
    for (const InterfaceAddress& own : plan_.interface.addresses) {
      if (own.connected().contains(destination)) source = own.address;
    }
    node_->send(make_echo_request(source, destination, id));
  }

  // To whatever address, from our first.
  void ping(const IpAddress& to, std::uint16_t id) {
    node_->send(make_echo_request(plan_.interface.addresses.front().address, to, id));
  }

  // What came out of the tunnel: requests are answered, answers kept by their identifier.
  void answer() {
    for (Packet& packet : std::exchange(node_->to_tun, {})) {
      const auto kind = read_icmp(packet);
      ASSERT_TRUE(kind.has_value());
      if (kind->type == kEchoReply) ++answers[load_be16(&packet[kIcmpAt + 4])];
      if (kind->type == kEchoRequest) {
        ++requests[load_be16(&packet[kIcmpAt + 4])];
        node_->send(reply_to(std::move(packet)));
      }
    }
  }

  const Endpoint outer;
  std::map<std::uint16_t, int> answers;
  std::map<std::uint16_t, int> requests;  // that it answered, by their identifier

 private:
  static constexpr std::uint8_t kEchoRequest = 128;
  static constexpr std::uint8_t kEchoReply = 129;
  static constexpr std::size_t kIcmpAt = 40;

  static Packet reply_to(Packet packet) {
    std::swap_ranges(packet.begin() + 8, packet.begin() + 24, packet.begin() + 24);
    packet[7] = 64;
    packet[kIcmpAt] = kEchoReply;
    // One more in the upper byte of a word is one less in the sum's complement.
    std::uint32_t sum = load_be16(&packet[kIcmpAt + 2]);
    sum = sum >= 0x100 ? sum - 0x100 : sum + 0xffff - 0x100;
    store_be16(&packet[kIcmpAt + 2], static_cast<std::uint16_t>(sum));
    return packet;
  }

  HostPlan plan_;
  std::uint32_t number_;
  std::uint64_t starts_ = 0;
  MemoryTimestampStore store_;
  std::unique_ptr<Node> node_;
};

class VirtualNetwork {
 public:
  static constexpr Duration kStep = 20ms;

  // What the entries have besides.
  explicit VirtualNetwork(const std::string& printer_more = "",
                          const std::string& storage_more = "",
                          const std::string& network_more = "") {
    const std::string text =
        network_test::kVpn + network_more + network_test::controller_text("server1", 1) +
        network_test::controller_text("server2", 2) +
        network_test::peer_text("laptop1", 3, "controller = \"server1\"\n") +
        network_test::peer_text("printer", 4, "controller = \"server1\"\n" + printer_more) +
        network_test::peer_text("storage", 5, "controller = \"server2\"\n" + storage_more);
    const Network network = network_test::good_network(text);
    std::uint32_t number = 1;
    for (const char* const name : {"server1", "server2", "laptop1", "printer", "storage"}) {
      hosts.push_back(
          std::make_unique<VirtualHost>(network_test::good_plan(network, name), number++));
    }
  }

  void start(std::size_t host) { hosts[host]->start(now_); }

  void run(Duration by) {
    for (Duration done{}; done < by; done += kStep) {
      now_ = later(now_, kStep);
      for (const auto& host : hosts) {
        if (host->is_up()) take_turn(*host);
      }
      for (const auto& host : hosts) {
        if (host->is_up()) carry(*host);
      }
    }
  }

  // From now on nothing passes between these two, in either direction.
  void cut(std::size_t a, std::size_t b) { cuts_.push_back({hosts[a].get(), hosts[b].get()}); }

  // One ping for each directed pair of hosts that are up; who got no answer, in words.
  std::vector<std::string> unanswered_pings() {
    const std::uint16_t id = next_id_++;
    std::vector<std::string> missing;
    for (const auto& from : hosts) {
      for (const auto& to : hosts) {
        if (from == to || !from->is_up() || !to->is_up()) continue;
        from->answers.clear();
        from->ping(*to, id);
        run(6 * kStep);
        if (from->answers[id] == 1) continue;
        missing.push_back(from->plan().host + " → " + to->plan().host);
      }
    }
    return missing;
  }

  const Now& now() const { return now_; }

  std::vector<std::unique_ptr<VirtualHost>> hosts;

 private:
  void take_turn(VirtualHost& host) {
    Node& node = host.node();
    node.set_now(now_);
    const auto deadline = node.next_deadline();
    if (node.woken() || (deadline && *deadline <= now_.boot)) node.run_handshakes();
    host.answer();
  }

  // Whoever is not there gets nothing, and nobody hears of it.
  void carry(VirtualHost& from) {
    for (const Datagram& datagram : std::exchange(from.node().sent, {})) {
      for (const auto& to : hosts) {
        if (!to->is_up() || !to->outer.same_remote(datagram.remote)) continue;
        if (is_cut(from, *to)) continue;
        to->node().set_now(now_);
        to->node().receive({datagram.bytes, from.outer, datagram.traffic_class});
      }
    }
  }

  bool is_cut(const VirtualHost& a, const VirtualHost& b) const {
    return std::any_of(cuts_.begin(), cuts_.end(), [&](const auto& cut) {
      return (cut.first == &a && cut.second == &b) || (cut.first == &b && cut.second == &a);
    });
  }

  std::vector<std::pair<const VirtualHost*, const VirtualHost*>> cuts_;
  Now now_ = kStart;
  std::uint16_t next_id_ = 1;
};

}  // namespace hawser::testing
