// What two peers notice when the controller between them goes, on virtual time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/ctl/virtual_network.h"

namespace hawser::testing {
namespace {

constexpr std::uint16_t kFirstId = 10'000;

// All five hosts, and the laptop pings the printer under its address in the first controller's
// subnet, again and again.
class Failover : public ::testing::Test {
 protected:
  void connect() {
    network_ = std::make_unique<VirtualNetwork>();
    for (std::size_t i = 0; i < network_->hosts.size(); ++i) network_->start(i);
    network_->run(kConnected);
    ASSERT_THAT(network_->unanswered_pings(), ::testing::IsEmpty());
    laptop().answers.clear();
    num_sent_ = 0;
    last_answer_ = network_->now().boot;
    gap_ = {};
  }
  VirtualHost& laptop() { return *network_->hosts[kLaptop]; }

  void ping_for(Duration time) {
    for (Duration done{}; done < time; done += VirtualNetwork::kStep) {
      laptop().ping(*network_->hosts[kPrinter], static_cast<std::uint16_t>(kFirstId + num_sent_++));
      const std::size_t before = num_answered();
      network_->run(VirtualNetwork::kStep);
      const Instant now = network_->now().boot;
      gap_ = std::max(gap_, now - last_answer_);
      if (num_answered() > before) last_answer_ = now;
    }
  }
  // Other identifiers are those of the watch over the controllers.
  std::size_t num_answered() {
    const auto& answers = laptop().answers;
    return static_cast<std::size_t>(
        std::distance(answers.lower_bound(kFirstId),
                      answers.lower_bound(static_cast<std::uint16_t>(kFirstId + num_sent_))));
  }
  // Those that are still on the way arrive.
  std::size_t num_lost() {
    network_->run(6 * VirtualNetwork::kStep);
    return num_sent_ - num_answered();
  }

  std::unique_ptr<VirtualNetwork> network_;
  std::size_t num_sent_ = 0;
  Instant last_answer_{};
  Duration gap_{};
};

// At whatever moment between two echoes.
TEST_F(Failover, AKilledControllerIsMissedForLessThanThreeSeconds) {
  for (Duration phase{}; phase < 1s; phase += 60ms) {
    connect();
    ping_for(500ms + phase);
    network_->hosts[kServer1]->kill();
    ping_for(4s);
    EXPECT_GT(gap_, 1s) << "it was not in use";
    EXPECT_LT(gap_, 3s);
    EXPECT_LT(network_->now().boot - last_answer_, 100ms);
  }
}

TEST_F(Failover, AControllerThatSaysGoodbyeIsNotMissed) {
  connect();
  ping_for(500ms);
  network_->hosts[kServer1]->node().device().say_goodbye();
  ping_for(1s);
  network_->hosts[kServer1]->kill();
  ping_for(2s);
  EXPECT_EQ(num_lost(), 0U);
  network_->start(kServer1);
  ping_for(20s);
  EXPECT_EQ(num_lost(), 0U) << "nor when it is back";
  for (const PeerView& peer : laptop().node().view().peers) EXPECT_TRUE(peer.reachable);
}

// While its first answers are counted, the session that they came by is not doubted.
TEST_F(Failover, AControllerThatIsBackShakesHandsOnceWithEach) {
  connect();
  network_->hosts[kServer1]->kill();
  network_->run(10s);
  network_->start(kServer1);
  network_->run(60s);
  EXPECT_EQ(network_->hosts[kServer1]->node().device().counters().handshakes_completed,
            network_->hosts.size() - 1);
}

// Whenever between two echoes it is, and however soon it is back.
TEST_F(Failover, AControllerThatRestartsAfterAGoodbyeShakesHandsOnceWithEach) {
  for (const Duration away : {100ms, 300ms, 2000ms}) {
    for (Duration phase{}; phase < 1s; phase += 100ms) {
      connect();
      network_->run(phase);
      Device& before = network_->hosts[kServer1]->node().device();
      const auto num_before = before.counters().handshakes_completed;
      before.say_goodbye();
      network_->run(1s);
      EXPECT_EQ(before.counters().handshakes_completed, num_before) << "with one that ends";
      network_->hosts[kServer1]->kill();
      network_->run(away);
      network_->start(kServer1);
      network_->run(60s);
      EXPECT_EQ(network_->hosts[kServer1]->node().device().counters().handshakes_completed,
                network_->hosts.size() - 1)
          << away.count() << ' ' << phase.count();
    }
  }
}

// The first controller hands over to the second what it cannot deliver itself.
TEST_F(Failover, APeerThatOnlyOneControllerReachesIsReachedThroughBoth) {
  for (const auto& [far, near] : {std::pair(kPrinter, kServer1), std::pair(kLaptop, kServer1),
                                  std::pair(kPrinter, kServer2), std::pair(kLaptop, kServer2)}) {
    network_ = std::make_unique<VirtualNetwork>();
    network_->cut(far, near);
    for (std::size_t i = 0; i < network_->hosts.size(); ++i) network_->start(i);
    network_->run(kConnected);
    EXPECT_THAT(network_->unanswered_pings(), ::testing::IsEmpty()) << far << ' ' << near;
  }
}

// Each peer has one controller left, and not the same: only the tunnel between the two connects
// them.
TEST_F(Failover, TwoPeersAtDifferentControllersReachEachOther) {
  network_ = std::make_unique<VirtualNetwork>();
  network_->cut(kLaptop, kServer1);
  network_->cut(kPrinter, kServer2);
  for (std::size_t i = 0; i < network_->hosts.size(); ++i) network_->start(i);
  network_->run(kConnected);
  EXPECT_THAT(network_->unanswered_pings(), ::testing::IsEmpty());
}

// Controllers hand over once and not again: what is for a peer that nobody reaches ends.
TEST_F(Failover, NothingGoesRoundBetweenControllers) {
  connect();
  network_->hosts[kPrinter]->kill();
  network_->run(200s);  // its sessions are over
  const auto relayed = [&] {
    return network_->hosts[kServer1]->node().device().counters().relayed_packets +
           network_->hosts[kServer2]->node().device().counters().relayed_packets;
  };
  const std::uint64_t before = relayed();
  constexpr int kNumPackets = 50;
  for (int i = 0; i < kNumPackets; ++i) ping_for(VirtualNetwork::kStep);
  network_->run(5s);
  EXPECT_LE(relayed() - before, 2U * kNumPackets);
}

// Each host names the controller by its name in the file, and who carries what now, in one line.
TEST_F(Failover, TheLogSaysWhoTakesOverAndWhoIsBack) {
  connect();
  const auto said_by = [&](std::size_t host, const std::string& words) {
    const auto& log = network_->hosts[host]->node().log;
    return std::count_if(log.begin(), log.end(), [&](const std::string& line) {
      return line.find("peer(server1): " + words) != line.npos;
    });
  };
  const std::string subnet = laptop().plan().interface.addresses.front().connected().to_string();
  network_->hosts[kServer1]->kill();
  network_->run(5s);
  for (const std::size_t host : {kLaptop, kPrinter}) {
    EXPECT_EQ(said_by(host, "this controller does not answer any more: server2 carries " + subnet),
              1);
  }
  network_->start(kServer1);
  network_->run(20s);
  for (const std::size_t host : {kLaptop, kPrinter}) {
    EXPECT_EQ(said_by(host, "this controller answers again: server1 carries " + subnet), 1)
        << ::testing::PrintToString(network_->hosts[host]->node().log);
  }
}

TEST_F(Failover, TheLogSaysWhenNobodyIsLeft) {
  connect();
  network_->hosts[kServer1]->kill();
  network_->hosts[kServer2]->kill();
  network_->run(6s);
  EXPECT_THAT(laptop().node().log, ::testing::Contains(::testing::HasSubstr("nobody carries")));
}

}  // namespace
}  // namespace hawser::testing
