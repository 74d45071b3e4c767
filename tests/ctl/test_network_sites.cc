// One network behind two peers: the first that is alive carries it. On virtual time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/ctl/virtual_network.h"

namespace hawser::testing {
namespace {

constexpr Duration kBetweenPings = 60ms;
constexpr std::uint16_t kFirstPing = 20'000;

const std::string kLan = "allowed_ips = [\"2001:db8:7::/64\"]\n";

// The laptop pings a host of the network, to which the gateways' kernels answer in its place.
class Sites : public ::testing::Test {
 protected:
  void connect(const std::string& order = "") {
    network_ = std::make_unique<VirtualNetwork>(kLan, kLan, order);
    for (std::size_t i = 0; i < network_->hosts.size(); ++i) network_->start(i);
    network_->run(kConnected);
    ASSERT_THAT(network_->unanswered_pings(), ::testing::IsEmpty());
    last_answer_ = network_->now().boot;
    gap_ = {};
  }
  VirtualHost& host(std::size_t index) { return *network_->hosts[index]; }

  void ping_for(Duration time) {
    for (Duration done{}; done < time; done += kBetweenPings) {
      const std::ptrdiff_t before = num_answered();
      ++id_;
      host(kLaptop).ping(lan_host_, id_);
      network_->run(kBetweenPings);
      gap_ = std::max(gap_, network_->now().boot - last_answer_);
      if (num_answered() > before) last_answer_ = network_->now().boot;
    }
  }
  // Other identifiers are those of the watches.
  std::ptrdiff_t num_answered() {
    const auto& answers = host(kLaptop).answers;
    return std::distance(answers.upper_bound(kFirstPing), answers.upper_bound(id_));
  }
  // Who carries it now; nothing: nobody.
  std::optional<std::size_t> carrier() {
    ping_for(kBetweenPings);
    network_->run(200ms);
    for (const std::size_t gateway : {kPrinter, kStorage}) {
      if (host(gateway).is_up() && host(gateway).requests.contains(id_)) return gateway;
    }
    return std::nullopt;
  }

  const IpAddress lan_host_ = address("2001:db8:7::5");
  std::unique_ptr<VirtualNetwork> network_;
  std::uint16_t id_ = kFirstPing;
  Instant last_answer_{};
  Duration gap_{};
};

TEST_F(Sites, TheFirstByNameCarriesThePrefixOrTheOneThatSiteOrderNames) {
  connect();
  EXPECT_EQ(carrier(), kPrinter);
  connect("site_order = [\"storage\"]\n");
  EXPECT_EQ(carrier(), kStorage);
}

TEST_F(Sites, ADeadGatewaysNetworkGoesToTheNextWithinSecondsAndReturns) {
  for (Duration phase{}; phase < 1s; phase += 250ms) {
    connect();
    ping_for(500ms + phase);
    host(kPrinter).kill();
    ping_for(4s);
    EXPECT_GT(gap_, 1s) << "it was not in use";
    EXPECT_LT(gap_, 3s);
    EXPECT_EQ(carrier(), kStorage);
    network_->start(kPrinter);
    network_->run(15s);
    EXPECT_EQ(carrier(), kPrinter) << "it is back";
  }
}

// Each controller judges by itself: the laptop's has no tunnel to the first gateway.
TEST_F(Sites, AControllerUsesTheGatewaysThatItReachesItself) {
  network_ = std::make_unique<VirtualNetwork>(kLan, kLan);
  network_->cut(kServer1, kPrinter);
  for (std::size_t i = 0; i < network_->hosts.size(); ++i) network_->start(i);
  network_->run(kConnected);
  EXPECT_EQ(carrier(), kStorage);
}

TEST_F(Sites, WithoutAnyGatewayOfItsOwnAControllerHandsOver) {
  network_ = std::make_unique<VirtualNetwork>(kLan, kLan);
  network_->cut(kServer1, kPrinter);
  network_->cut(kServer1, kStorage);
  for (std::size_t i = 0; i < network_->hosts.size(); ++i) network_->start(i);
  network_->run(kConnected);
  EXPECT_EQ(carrier(), kPrinter);
}

// What is sent from the network may come through any of its gateways, also to each other.
TEST_F(Sites, SourcesAreAcceptedFromEveryGateway) {
  connect();
  for (const std::size_t gateway : {kPrinter, kStorage}) {
    for (const std::size_t to : {kServer1, kServer2, kLaptop, kPrinter, kStorage}) {
      if (to == gateway) continue;
      host(to).requests.clear();
      ++id_;
      host(gateway).node().send(
          make_echo_request(lan_host_, host(to).plan().interface.addresses.front().address, id_));
      network_->run(200ms);
      EXPECT_EQ(host(to).requests.count(id_), 1U) << gateway << " to " << to;
    }
  }
  // Nobody else's.
  ++id_;
  host(kLaptop).node().send(
      make_echo_request(lan_host_, host(kServer1).plan().interface.addresses.front().address, id_));
  network_->run(200ms);
  EXPECT_FALSE(host(kServer1).requests.contains(id_));
}

}  // namespace
}  // namespace hawser::testing
