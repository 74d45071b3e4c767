// Random networks of every address plan, walked packet by packet through the derived tables.
#include <map>
#include <optional>
#include <random>
#include <set>

#include "support.h"

namespace hawser {
namespace {

using Random = std::mt19937;

// The plans of all hosts, and the way of a packet between them.
class PlannedNetwork {
 public:
  explicit PlannedNetwork(const Network& network) : network_(network) {
    for (const NetworkHost& host : network.hosts) {
      plans_.emplace(host.name, network_test::good_plan(network, host.name));
    }
  }

  const std::map<std::string, HostPlan>& plans() const { return plans_; }

  // By the stock rule a peer has the IPv4 addresses of all at its designated controller alone.
  bool stock_ipv4_reaches(const HostPlan& from, const HostPlan& to) const {
    const NetworkHost& a = *network_.find(from.host);
    const NetworkHost& b = *network_.find(to.host);
    const auto controller = [&](const NetworkHost& host) {
      return host.role == HostRole::kPeer ? network_.designated_controller(host) : &host;
    };
    return a.role != b.role ? controller(a) == controller(b)
                            : a.role == HostRole::kController || controller(a) == controller(b);
  }

  // Whose address it is.
  const HostPlan* owner(const IpAddress& address) const {
    for (const auto& [name, plan] : plans_) {
      for (const InterfaceAddress& own : plan.interface.addresses) {
        if (own.address == address) return &plan;
      }
    }
    return nullptr;
  }

  // The hosts that a packet visits when the tunnels in `dead` (both directions) carry nothing, with
  // split horizon; empty: it does not arrive. By the stock rule: the first of each list only, and
  // the source's owner only.
  std::vector<std::string> walk(const std::string& from, const IpAddress& source,
                                const IpAddress& destination,
                                const std::set<std::pair<std::string, std::string>>& dead,
                                bool stock) const {
    std::vector<std::string> visited = {from};
    std::optional<HostRole> came_from;
    while (visited.size() <= plans_.size()) {
      const HostPlan& here = plans_.at(visited.back());
      if (owns(here, destination)) return visited;
      const PlanPeer* const next = choose(here, destination, came_from, dead, stock);
      if (next == nullptr) return {};
      const HostPlan& there = plans_.at(next->name);
      if (!accepts(there, source, here.host, stock)) return {};
      came_from = here.role;
      visited.push_back(next->name);
    }
    ADD_FAILURE() << "a packet loops";
    return {};
  }

 private:
  static bool owns(const HostPlan& plan, const IpAddress& address) {
    return std::any_of(plan.interface.addresses.begin(), plan.interface.addresses.end(),
                       [&](const InterfaceAddress& own) { return own.address == address; });
  }

  template <class Rule>
  static const Rule* longest(const std::vector<Rule>& rules, Prefix Rule::*prefix,
                             const IpAddress& address) {
    const Rule* best = nullptr;
    for (const Rule& rule : rules) {
      if (!(rule.*prefix).contains(address)) continue;
      if (best == nullptr || (rule.*prefix).length() > (best->*prefix).length()) best = &rule;
    }
    return best;
  }

  static const PlanPeer* stock_owner(const HostPlan& plan, const IpAddress& address) {
    const PlanPeer* best = nullptr;
    unsigned best_length = 0;
    for (const PlanPeer& peer : plan.peers) {
      for (const Prefix& prefix : peer.allowed_ips) {
        if (!prefix.contains(address) || (best != nullptr && prefix.length() <= best_length)) {
          continue;
        }
        best = &peer;
        best_length = prefix.length();
      }
    }
    return best;
  }

  const PlanPeer* choose(const HostPlan& here, const IpAddress& destination,
                         std::optional<HostRole> came_from,
                         const std::set<std::pair<std::string, std::string>>& dead,
                         bool stock) const {
    if (stock) return stock_owner(here, destination);
    const FailoverRoute* const route =
        longest(here.failover_routes, &FailoverRoute::destination, destination);
    if (route == nullptr) return nullptr;
    for (const std::uint32_t index : route->peers) {
      const PlanPeer& peer = here.peers[index];
      const bool back = peer.role == HostRole::kController && came_from == HostRole::kController;
      const bool is_dead =
          dead.contains({here.host, peer.name}) || dead.contains({peer.name, here.host});
      if (!back && !is_dead) return &peer;
    }
    return nullptr;
  }

  bool accepts(const HostPlan& there, const IpAddress& source, const std::string& from,
               bool stock) const {
    if (stock) {
      const PlanPeer* const peer = stock_owner(there, source);
      return peer != nullptr && peer->name == from;
    }
    const AcceptRule* const rule = longest(there.accept_rules, &AcceptRule::source, source);
    return rule != nullptr &&
           std::any_of(rule->peers.begin(), rule->peers.end(),
                       [&](std::uint32_t index) { return there.peers[index].name == from; });
  }

  const Network& network_;
  std::map<std::string, HostPlan> plans_;
};

std::uint32_t below(Random& random, std::uint32_t bound) {
  return std::uniform_int_distribution<std::uint32_t>(0, bound - 1)(random);
}

std::string random_name(Random& random, std::uint32_t number) {
  static constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz0123456789";
  std::string name;
  for (std::uint32_t i = 0; i <= below(random, 8); ++i) {
    name += kLetters[below(random, kLetters.size())];
  }
  return name + '-' + std::to_string(number);
}

std::string lan(std::uint32_t number, bool v6) {
  // Some stand before the same.
  const std::string n = std::to_string(number % 5);
  return v6 ? "allowed_ips = [\"2001:db8:" + n + "::/64\"]\n"
            : "allowed_ips = [\"192.168." + n + ".0/24\"]\n";
}

std::string random_hubs(Random& random) {
  std::string text = "[network]\nname = \"" + random_name(random, 0) + "\"\n";
  if (below(random, 2) == 0) text += "ipv4 = \"10.60.0.0/16\"\n";
  const std::uint32_t num_hubs = 1 + below(random, 4);
  std::vector<std::string> hubs;
  for (std::uint32_t i = 1; i <= num_hubs; ++i) {
    hubs.push_back(random_name(random, i));
    text += network_test::controller_text(hubs.back(), i);
    if (below(random, 4) == 0) text += lan(i, below(random, 2) == 0);
  }
  const std::uint32_t num_hosts = num_hubs + below(random, 8);
  for (std::uint32_t i = num_hubs + 1; i <= num_hosts; ++i) {
    std::string more = "controller = \"" + hubs[below(random, num_hubs)] + "\"\n";
    if (below(random, 3) == 0) more += lan(i, below(random, 2) == 0);
    text += network_test::peer_text(random_name(random, i), i, more);
  }
  return text;
}

std::string random_members(Random& random, bool listed) {
  const bool v6 = below(random, 2) == 0;
  std::string text = "[network]\nname = \"" + random_name(random, 0) + "\"\nplan = \"" +
                     (listed ? "full-mesh" : "node-id") + "\"\n";
  if (listed) text += v6 ? "cidr = \"fd00:42::/64\"\n" : "cidr = \"10.42.0.0/16\"\n";
  const std::uint32_t num_hosts = 1 + below(random, 9);
  for (std::uint32_t i = 1; i <= num_hosts; ++i) {
    const std::string address = (v6 ? "fd00:42::" : "10.42.1.") + std::to_string(i);
    const std::string more = below(random, 3) == 0 ? lan(i, below(random, 2) == 0) : "";
    text += network_test::member_text(random_name(random, i), i, listed ? address : "", more);
  }
  return text;
}

// No prefix at two peers; failover tables hold the same prefixes as the allowed IPs, owner first.
void expect_consistent_tables(const HostPlan& plan) {
  std::map<Prefix, std::uint32_t> owners;
  for (std::uint32_t i = 0; i < plan.peers.size(); ++i) {
    for (const Prefix& prefix : plan.peers[i].allowed_ips) {
      EXPECT_TRUE(owners.emplace(prefix, i).second) << plan.host << ' ' << prefix.to_string();
    }
  }
  ASSERT_EQ(plan.failover_routes.size(), owners.size());
  auto owner = owners.begin();
  auto accept = plan.accept_rules.begin();
  for (std::size_t i = 0; i < owners.size(); ++i, ++owner) {
    const FailoverRoute& route = plan.failover_routes[i];
    // Beyond the routes: what stands behind this host and others.
    for (; accept != plan.accept_rules.end() && accept->source < route.destination; ++accept) {
      EXPECT_FALSE(owners.contains(accept->source));
    }
    ASSERT_NE(accept, plan.accept_rules.end());
    const AcceptRule& rule = *accept++;
    EXPECT_EQ(route.destination, owner->first);
    EXPECT_EQ(rule.source, owner->first);
    EXPECT_EQ(route.peers.front(), owner->second);
    EXPECT_THAT(rule.peers, testing::Contains(owner->second));
    EXPECT_TRUE(std::is_sorted(rule.peers.begin(), rule.peers.end()));
    EXPECT_THAT(rule.peers, testing::UnorderedElementsAreArray(route.peers));
  }
}

void expect_own_addresses_are_nobody_elses(const PlannedNetwork& planned) {
  for (const auto& [name, plan] : planned.plans()) {
    for (const InterfaceAddress& own : plan.interface.addresses) {
      EXPECT_EQ(planned.owner(own.address), &plan) << own.to_string();
    }
  }
}

void expect_all_pairs_routed(const PlannedNetwork& planned, bool hubs) {
  for (const auto& [from, source_plan] : planned.plans()) {
    for (const auto& [to, target_plan] : planned.plans()) {
      if (from == to) continue;
      for (const InterfaceAddress& source : source_plan.interface.addresses) {
        for (const InterfaceAddress& target : target_plan.interface.addresses) {
          for (const bool stock : {false, true}) {
            // With one owner for both directions a peer accepts a controller's subnet from that
            // controller only. Source address selection keeps to it: the longest match.
            const bool is_other_subnet = Prefix(source.address, source.prefix_len) !=
                                         Prefix(target.address, target.prefix_len);
            const bool both_peers =
                source_plan.role == HostRole::kPeer && target_plan.role == HostRole::kPeer;
            if (stock && both_peers && is_other_subnet) continue;
            if (source.address.family != target.address.family) continue;
            if (stock && hubs && source.address.family == IpFamily::kV4 &&
                !planned.stock_ipv4_reaches(source_plan, target_plan)) {
              continue;
            }
            const std::vector<std::string> way =
                planned.walk(from, source.address, target.address, {}, stock);
            EXPECT_FALSE(way.empty()) << from << " → " << to << ' ' << source.to_string() << ' '
                                      << target.to_string() << " stock " << stock;
            EXPECT_LE(way.size(), hubs ? 3U : 2U);
          }
        }
      }
    }
  }
}

// Every pair of peers, through every address, with any one controller dead for either of them.
void expect_failover(const PlannedNetwork& planned) {
  std::vector<const HostPlan*> controllers;
  std::vector<const HostPlan*> peers;
  for (const auto& [name, plan] : planned.plans()) {
    (plan.role == HostRole::kController ? controllers : peers).push_back(&plan);
  }
  if (controllers.size() < 2) return;
  for (const HostPlan* const from : peers) {
    for (const HostPlan* const to : peers) {
      if (from == to) continue;
      for (const HostPlan* const broken : controllers) {
        for (const HostPlan* const cut_off : {from, to}) {
          for (const InterfaceAddress& target : to->interface.addresses) {
            const auto source = std::find_if(
                from->interface.addresses.begin(), from->interface.addresses.end(),
                [&](const auto& own) { return own.address.family == target.address.family; });
            const std::vector<std::string> way =
                planned.walk(from->host, source->address, target.address,
                             {{cut_off->host, broken->host}}, false);
            EXPECT_FALSE(way.empty())
                << from->host << " → " << to->host << " without " << broken->host;
          }
        }
      }
    }
  }
}

TEST(NetworkProperties, EveryDirectedPairOfControllersAndPeersIsRoutedAndAccepted) {
  for (std::uint32_t seed = 0; seed < 60; ++seed) {
    Random random(seed);
    const std::string text = random_hubs(random);
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Network network = network_test::good_network(text);
    const PlannedNetwork planned(network);
    for (const auto& [name, plan] : planned.plans()) expect_consistent_tables(plan);
    expect_own_addresses_are_nobody_elses(planned);
    expect_all_pairs_routed(planned, true);
    expect_failover(planned);
    if (::testing::Test::HasFailure()) FAIL() << text;
  }
}

TEST(NetworkProperties, EveryDirectedPairOfMembersIsRoutedAndAccepted) {
  for (std::uint32_t seed = 0; seed < 60; ++seed) {
    Random random(seed);
    const std::string text = random_members(random, seed % 2 == 0);
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Network network = network_test::good_network(text);
    const PlannedNetwork planned(network);
    for (const auto& [name, plan] : planned.plans()) expect_consistent_tables(plan);
    expect_own_addresses_are_nobody_elses(planned);
    expect_all_pairs_routed(planned, false);
    if (::testing::Test::HasFailure()) FAIL() << text;
  }
}

TEST(NetworkProperties, ThousandsOfPeersStayAffordable) {
  std::string text = network_test::kVpn + network_test::controller_text("server1", 1) +
                     network_test::controller_text("server2", 2);
  constexpr std::uint32_t kNumPeers = 3000;
  for (std::uint32_t i = 0; i < kNumPeers; ++i) {
    text +=
        network_test::peer_text("host" + std::to_string(i), 3 + i, "controller = \"server2\"\n");
  }
  const Network network = network_test::good_network(text);
  const HostPlan plan = network_test::good_plan(network, "server1");
  EXPECT_EQ(plan.peers.size(), kNumPeers + 1);
  EXPECT_EQ(plan.failover_routes.size(), 2 * kNumPeers + 1);
  EXPECT_THAT(network_test::strings(plan.routes), testing::ElementsAre("fdeb:f20c::/40"));
}

}  // namespace
}  // namespace hawser
