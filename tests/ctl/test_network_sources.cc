// Whose source and whose destination an address is: devices that run what their plans say, against
// a model that looks through the network file.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "network/address_plan_controllers_and_peers.h"
#include "tests/ctl/virtual_network.h"

namespace hawser::testing {
namespace {

using Random = std::mt19937;

// Two controllers, and a printer that is an exit node.
TEST(Sources, APeerWithADefaultRouteDoesNotSpeakAsAController) {
  VirtualNetwork network("allowed_ips = [\"::/0\"]\n");
  for (std::size_t i = 0; i < network.hosts.size(); ++i) network.start(i);
  network.run(9s);
  ASSERT_THAT(network.unanswered_pings(), ::testing::IsEmpty());

  const auto own_address = [&](std::size_t host) {
    return network.hosts[host]->plan().interface.addresses.front().address;
  };
  Device& server1 = network.hosts[kServer1]->node().device();
  const std::uint64_t relayed = server1.counters().relayed_packets;
  ASSERT_EQ(total_drops(server1, DropReason::kSourceNotAllowed), 0U);
  network.hosts[kLaptop]->answers.clear();
  std::uint64_t num = 0;
  for (const std::size_t to : {kServer1, kLaptop}) {
    network.hosts[kPrinter]->node().send(
        make_echo_request(own_address(kServer2), own_address(to), 4711));
    network.run(1s);
    EXPECT_EQ(total_drops(server1, DropReason::kSourceNotAllowed), ++num);
  }
  EXPECT_EQ(server1.counters().relayed_packets, relayed);
  EXPECT_EQ(total_drops(network.hosts[kServer2]->node().device(), DropReason::kSourceNotAllowed),
            0U);
}

// --- random networks ---

std::uint32_t below(Random& random, std::uint32_t bound) {
  return std::uniform_int_distribution<std::uint32_t>(0, bound - 1)(random);
}

// Inside of each other, so that lengths matter.
const std::vector<const char*> kSites = {
    "::/0",      "2000::/3",       "2001:db8::/32",  "2001:db8:1::/48", "2001:db8:1:2::/64",
    "0.0.0.0/0", "192.168.0.0/16", "192.168.1.0/24", "192.168.1.64/26", "10.0.0.0/8"};

std::string random_network(Random& random) {
  std::vector<const char*> sites = kSites;
  std::shuffle(sites.begin(), sites.end(), random);
  std::string exit;
  const auto some_sites = [&](const std::string& name) {
    std::string text;
    for (std::uint32_t num = below(random, 3); num > 0 && !sites.empty(); --num) {
      text += (text.empty() ? "" : ", ") + ('"' + std::string(sites.back()) + '"');
      if (prefix(sites.back()).length() == 0) exit = name;
      sites.pop_back();
    }
    return text.empty() ? text : "allowed_ips = [" + text + "]\n";
  };
  std::string text = network_test::kVpn;
  const std::uint32_t num_hubs = 1 + below(random, 3);
  const std::uint32_t num_hosts = num_hubs + 1 + below(random, 4);
  for (std::uint32_t i = 1; i <= num_hubs; ++i) {
    const std::string name = "hub" + std::to_string(i);
    text += network_test::controller_text(name, i) + some_sites(name);
  }
  for (std::uint32_t i = num_hubs + 1; i <= num_hosts; ++i) {
    const std::string hub = "hub" + std::to_string(1 + below(random, num_hubs));
    const std::string name = "host" + std::to_string(i);
    // Of the hosts behind an exit in the file, some take it.
    const bool takes_exit = !exit.empty() && below(random, 2) == 1;
    text += network_test::peer_text(
        name, i,
        "controller = \"" + hub + "\"\n" +
            (takes_exit ? "use_exit = \"" + exit + "\"\n" : std::string()) + some_sites(name));
  }
  return text;
}

IpAddress random_address_in(const Prefix& prefix, Random& random) {
  IpAddress address = prefix.address();
  for (unsigned bit = prefix.length(); bit < address.bits(); ++bit) {
    const auto mask = static_cast<std::uint8_t>(0x80U >> (bit % 8));
    if (below(random, 2) == 1) address.bytes[bit / 8] |= mask;
  }
  return address;
}

// What the network file says of one host's view, by looking through all of it.
class Model {
 public:
  Model(const Network& network, const std::string& self) : network_(network) {
    const Prefix all = network_prefix(network.name);
    for (const NetworkHost& host : network.hosts) {
      if (host.name == self) self_ = &host;
    }
    std::vector<Prefix> subnets;
    for (const NetworkHost* const hub : network.hosts_of(HostRole::kController)) {
      subnets.push_back(controller_subnet(all, hub->name));
      if (hub != self_) owned_.emplace_back(subnets.back(), hub);
    }
    for (const NetworkHost* const peer : network.hosts_of(HostRole::kPeer)) {
      if (peer == self_ || !is_controller(*self_)) continue;
      for (const Prefix& subnet : subnets)
        owned_.emplace_back(peer_prefix(subnet, peer_suffix(*peer)), peer);
    }
    for (const NetworkHost& host : network.hosts) {
      if (&host == self_) continue;
      for (const LinedPrefix& site : host.allowed_ips) {
        if (site.prefix.length() == 0 && !exit_counts(host, site.prefix)) continue;
        owned_.emplace_back(site.prefix, &host);
      }
    }
  }

  static bool is_controller(const NetworkHost& host) { return host.role == HostRole::kController; }
  const NetworkHost& self() const { return *self_; }

  const NetworkHost* owner(const IpAddress& address) const {
    const NetworkHost* found = nullptr;
    unsigned length = 0;
    for (const auto& [prefix, host] : owned_) {
      if (!prefix.contains(address) || (found != nullptr && prefix.length() <= length)) continue;
      found = host;
      length = prefix.length();
    }
    return found;
  }

  // A host speaks for itself and what stands behind it, a controller for all peers too; to a peer,
  // any controller speaks for everybody.
  bool accepts(const IpAddress& source, const NetworkHost& from) const {
    const NetworkHost* const owned_by = owner(source);
    if (owned_by == nullptr) return false;
    if (!is_controller(*self_)) return is_controller(from);
    return owned_by == &from || (!is_controller(*owned_by) && is_controller(from));
  }

 private:
  // An exit is there for who takes it, and for controllers on the way. These hosts have no IPv4
  // address to send from.
  bool exit_counts(const NetworkHost& exit, const Prefix& prefix) const {
    if (prefix.address().family == IpFamily::kV4) return false;
    const auto takes_it = [&](const NetworkHost& host) { return host.use_exit == exit.name; };
    return takes_it(*self_) ||
           (is_controller(*self_) &&
            std::any_of(network_.hosts.begin(), network_.hosts.end(), takes_it));
  }

  const Network& network_;
  const NetworkHost* self_ = nullptr;
  std::vector<std::pair<Prefix, const NetworkHost*>> owned_;
};

// One host's device as its plan has it, and for each of its peers a node that may send what it
// likes.
class Surrounded {
 public:
  Surrounded(const Network& network, const HostPlan& plan) {
    DeviceOptions options;
    options.forward = ForwardMode::kDirect;
    device_ = std::make_unique<Node>(options,
                                     network_test::private_key(key_number(network, plan.host)), 7);
    device_->set_now(now_);
    HostRoutes routes;
    for (const InterfaceAddress& own : plan.interface.addresses) {
      routes.own_addresses.push_back(own.address);
    }
    routes.own_addresses.push_back(own_v4);
    own_v6 = routes.own_addresses.front();
    device_->device().set_host_routes(routes);
    device_->apply(plan_change(plan, nullptr, {}));
    for (const PlanPeer& peer : plan.peers) {
      const std::uint32_t number = key_number(network, peer.name);
      auto node =
          std::make_unique<Node>(DeviceOptions{}, network_test::private_key(number), number);
      PeerChange to_us =
          peer_change(device_->public_key(), {prefix("0.0.0.0/0"), prefix("::/0")}, at_device_);
      to_us.persistent_keepalive = 25;
      DeviceChange change;
      change.peers.push_back(std::move(to_us));
      node->set_now(now_);
      node->apply(std::move(change));
      around_.push_back({peer.name, number, std::move(node)});
    }
  }

  // Initiations cross, and are tried again.
  void connect() {
    for (Duration done{}; done < 30s && !is_connected(); done += 50ms) {
      now_ = later(now_, 50ms);
      device_->set_now(now_);
      for (Around& other : around_) other.node->set_now(now_);
      deliver();
    }
    ASSERT_TRUE(is_connected());
  }

  // What becomes of a packet from `from`.
  struct Fate {
    bool source_refused = false;
    bool to_tun = false;
    bool no_route = false;
    std::string relayed_to;
  };
  Fate send(const std::string& from, const IpAddress& source, const IpAddress& destination) {
    clear();
    const auto drops = [&](DropReason reason) { return total_drops(device_->device(), reason); };
    const std::uint64_t refused = drops(DropReason::kSourceNotAllowed);
    const std::uint64_t unrouted = drops(DropReason::kNoRoute);
    Node& node = *find(from).node;
    node.send(make_packet({.source = source, .destination = destination, .payload_len = 64}));
    for (const Datagram& datagram : std::exchange(node.sent, {})) {
      device_->receive({datagram.bytes, at(find(from)), 0});
    }
    Fate fate;
    fate.source_refused = drops(DropReason::kSourceNotAllowed) > refused;
    fate.no_route = drops(DropReason::kNoRoute) > unrouted;
    fate.to_tun = !device_->to_tun.empty();
    for (const Datagram& datagram : device_->sent) {
      if (fate.no_route) break;  // the ICMP error
      for (const Around& other : around_) {
        if (at(other).same_remote(datagram.remote)) fate.relayed_to += other.name;
      }
    }
    return fate;
  }

  const IpAddress own_v4 = address("198.51.100.1");
  IpAddress own_v6;

 private:
  struct Around {
    std::string name;
    std::uint32_t number;
    std::unique_ptr<Node> node;
  };

  static std::uint32_t key_number(const Network& network, const std::string& name) {
    for (std::uint32_t i = 0; i < network.hosts.size(); ++i) {
      for (const NetworkHost& host : network.hosts) {
        if (host.name == name && host.public_key->to_base64() == network_test::public_key(i + 1)) {
          return i + 1;
        }
      }
    }
    ADD_FAILURE() << name;
    return 0;
  }
  static Endpoint at(const Around& other) {
    return endpoint(("192.0.2." + std::to_string(other.number)).c_str(), 51820);
  }
  Around& find(const std::string& name) {
    return *std::find_if(around_.begin(), around_.end(),
                         [&](const Around& other) { return other.name == name; });
  }
  bool is_connected() {
    const std::vector<PeerView> peers = device_->view().peers;
    return std::all_of(peers.begin(), peers.end(),
                       [](const PeerView& peer) { return peer.has_session; });
  }
  void deliver() {
    for (int round = 0; round < 4; ++round) {
      device_->run_handshakes();
      for (Around& other : around_) {
        other.node->run_handshakes();
        for (const Datagram& d : std::exchange(other.node->sent, {})) {
          device_->receive({d.bytes, at(other), 0});
        }
      }
      for (const Datagram& d : std::exchange(device_->sent, {})) {
        for (Around& other : around_) {
          if (at(other).same_remote(d.remote)) other.node->receive({d.bytes, at_device_, 0});
        }
      }
    }
  }
  void clear() {
    device_->sent.clear();
    device_->to_tun.clear();
    for (Around& other : around_) {
      other.node->sent.clear();
      other.node->to_tun.clear();
    }
  }

  Endpoint at_device_ = endpoint("192.0.2.200", 51820);
  Now now_ = kStart;
  std::unique_ptr<Node> device_;
  std::vector<Around> around_;
};

// Every host's addresses, somewhere beside each, and somewhere in every site.
std::vector<IpAddress> telling_addresses(const Network& network, Random& random) {
  std::vector<IpAddress> addresses;
  for (const NetworkHost& host : network.hosts) {
    for (const InterfaceAddress& own :
         network_test::good_plan(network, host.name).interface.addresses) {
      addresses.push_back(own.address);
      addresses.push_back(random_address_in(Prefix(own.address, kPeerPrefixLen), random));
      addresses.push_back(random_address_in(Prefix(own.address, kControllerPrefixLen), random));
    }
  }
  for (const char* const site : kSites) {
    const Prefix prefix = testing::prefix(site);
    if (prefix.length() < 3) continue;  // what is nowhere else comes below
    addresses.push_back(random_address_in(prefix, random));
  }
  addresses.push_back(address("2a00::1"));
  addresses.push_back(address("3fff::1"));
  addresses.push_back(address("8.8.8.8"));
  return addresses;
}

void expect_sources_as_modelled(Surrounded& host, const Model& model, const Network& network,
                                const std::vector<IpAddress>& addresses,
                                const std::vector<InterfaceAddress>& own) {
  for (const NetworkHost& from : network.hosts) {
    if (&from == &model.self()) continue;
    if (!Model::is_controller(model.self()) && !Model::is_controller(from)) continue;
    for (const IpAddress& source : addresses) {
      if (std::any_of(own.begin(), own.end(),
                      [&](const InterfaceAddress& ours) { return ours.address == source; })) {
        continue;
      }
      const IpAddress& to = source.family == IpFamily::kV4 ? host.own_v4 : host.own_v6;
      const auto fate = host.send(from.name, source, to);
      const bool accepted = model.accepts(source, from);
      EXPECT_EQ(fate.to_tun, accepted)
          << from.name << " as " << source.to_string() << " at " << model.self().name;
      EXPECT_EQ(fate.source_refused, !accepted);
    }
  }
}

// Whom a controller hands packets to. Which controller stands in for a peer is failover's, and has
// tests of its own.
void expect_destinations_as_modelled(Surrounded& host, const Model& model, const Network& network,
                                     const std::vector<IpAddress>& addresses,
                                     const std::vector<InterfaceAddress>& own) {
  const auto is_own = [&](const IpAddress& address) {
    return std::any_of(own.begin(), own.end(),
                       [&](const InterfaceAddress& ours) { return ours.address == address; });
  };
  for (const NetworkHost& from : network.hosts) {
    if (&from == &model.self()) continue;
    const auto source = std::find_if(addresses.begin(), addresses.end(), [&](const auto& address) {
      return !is_own(address) && model.owner(address) == &from;
    });
    ASSERT_NE(source, addresses.end());
    for (const IpAddress& destination : addresses) {
      const NetworkHost* const owner = model.owner(destination);
      if (is_own(destination) || owner == &from || source->family != destination.family) continue;
      const auto fate = host.send(from.name, *source, destination);
      const std::string way =
          from.name + " to " + destination.to_string() + " at " + model.self().name;
      EXPECT_FALSE(fate.source_refused) << way;
      if (owner == nullptr) {
        EXPECT_TRUE(fate.to_tun) << way;
      } else if (Model::is_controller(from) && Model::is_controller(*owner)) {
        EXPECT_TRUE(fate.no_route) << way << ": split horizon";
        EXPECT_FALSE(fate.to_tun) << way;
      } else {
        EXPECT_EQ(fate.relayed_to, owner->name) << way;
      }
    }
  }
}

TEST(Sources, TheDeviceJudgesAsTheNetworkFileSays) {
  for (std::uint32_t seed = 0; seed < 25; ++seed) {
    Random random(seed);
    const std::string text = random_network(random);
    SCOPED_TRACE("seed " + std::to_string(seed) + "\n" + text);
    const Network network = network_test::good_network(text);
    const std::vector<IpAddress> addresses = telling_addresses(network, random);
    for (const NetworkHost& host : network.hosts) {
      const HostPlan plan = network_test::good_plan(network, host.name);
      const Model model(network, host.name);
      Surrounded surrounded(network, plan);
      surrounded.connect();
      if (HasFatalFailure()) return;
      expect_sources_as_modelled(surrounded, model, network, addresses, plan.interface.addresses);
      if (host.role == HostRole::kController) {
        expect_destinations_as_modelled(surrounded, model, network, addresses,
                                        plan.interface.addresses);
      }
    }
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace hawser::testing
