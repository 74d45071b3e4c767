// How a host finds out that a controller is gone, and what it does not take for that.
#include <gtest/gtest.h>

#include <deque>

#include "dataplane/liveness.h"
#include "tests/dataplane/pair.h"

namespace hawser::testing {
namespace {

constexpr Duration kStep = 10ms;

// b is a's controller, and a watches it. What a sends arrives at b; b, which has no host behind it
// that answers, sends something of its own when a test wants an answer.
struct WatchedController : Pair {
  WatchedController() {
    Overlay overlay;
    overlay.routes.push_back({prefix("fd00::/64"), {b.public_key()}});
    overlay.controllers.push_back({b.public_key(), address("fd00::1"), address("fd00::2")});
    DeviceChange change;
    change.overlay = std::move(overlay);
    a.apply(std::move(change));
    connect();
  }
  bool reachable() { return b_at_a().reachable.load(); }

  // Each of a's datagrams is answered after `round_trip`; nothing: never.
  void run_answering(Duration by, std::optional<Duration> round_trip) {
    for (Duration done{}; done < by; done += kStep) {
      sleep(kStep);
      a.run_handshakes();
      b.run_handshakes();
      if (!a.sent.empty() && round_trip) answers_.push_back(now().boot + *round_trip);
      carry(a, b, at_a);
      while (!answers_.empty() && answers_.front() <= now().boot) {
        answers_.pop_front();
        b.send(from_b(++id_));
      }
      carry(b, a, at_b);
    }
  }
  // How long it takes to notice that nothing comes back any more.
  Duration time_to_notice(Duration limit) {
    for (Duration done{}; done < limit; done += kStep) {
      if (!reachable()) return done;
      run_answering(kStep, std::nullopt);
    }
    return limit;
  }

 private:
  std::deque<Instant> answers_;
  std::uint64_t id_ = 100;
};

// Whenever between two echoes it falls silent.
TEST(Liveness, AControllerThatFellSilentIsDeadWithinThreeSeconds) {
  for (Duration phase{}; phase < kEchoInterval; phase += 100ms) {
    WatchedController watched;
    watched.run_answering(5s + phase, 20ms);
    ASSERT_TRUE(watched.reachable());
    const Duration noticed = watched.time_to_notice(10s);
    EXPECT_LE(noticed, 2 * kEchoIntervalInDoubt + kEchoTimeout + kEchoInterval + kStep);
    EXPECT_LT(noticed, 3s);
    EXPECT_GT(noticed, 1500ms) << "three echoes are its due";
  }
}

TEST(Liveness, AnEchoOrTwoThatAreLostKillNobody) {
  WatchedController watched;
  for (int round = 0; round < 5; ++round) {
    watched.run_answering(3s, 20ms);
    watched.run_answering(1700ms, std::nullopt);
    EXPECT_TRUE(watched.reachable());
  }
}

// A turn whose batch is full sends no echo; what was not asked cannot fail to answer.
TEST(Liveness, AnEchoThatWasNeverSentIsNotLost) {
  WatchedController watched;
  watched.run_answering(3s, 20ms);
  for (Duration done{}; done < 5s; done += 100ms) {
    watched.sleep(100ms);
    OutBatch full;
    while (full.allocate(1024) != nullptr) {
    }
    const HandshakeTurn turn = watched.a.device().run_handshakes({watched.now(), full});
    EXPECT_TRUE(turn.more);
  }
  EXPECT_TRUE(watched.reachable());
  watched.run_answering(1s, 20ms);
  EXPECT_TRUE(watched.reachable());
}

TEST(Liveness, ASlowPathIsNotADeadOne) {
  for (const Duration round_trip : {450ms, 650ms, 750ms, 900ms, 1300ms}) {
    WatchedController watched;
    watched.run_answering(3s, 20ms);
    for (int second = 0; second < 30; ++second) {
      watched.run_answering(1s, round_trip);
      EXPECT_TRUE(watched.reachable()) << round_trip.count() << " ms, after " << second << " s";
    }
  }
}

TEST(Liveness, ADeadControllerIsAliveAgainAfterTwoAnswers) {
  WatchedController watched;
  watched.run_answering(3s, 20ms);
  watched.time_to_notice(10s);
  ASSERT_FALSE(watched.reachable());
  watched.run_answering(1s, 20ms);
  EXPECT_FALSE(watched.reachable()) << "one answer may be luck";
  watched.run_answering(2s, 20ms);
  EXPECT_TRUE(watched.reachable());
}

TEST(Liveness, AControllerThatIsNoLongerWatchedIsAnOrdinaryPeer) {
  WatchedController watched;
  watched.run_answering(3s, 20ms);
  watched.time_to_notice(10s);
  ASSERT_FALSE(watched.reachable());
  DeviceChange change;
  change.overlay.emplace();
  watched.a.apply(std::move(change));
  EXPECT_TRUE(watched.reachable());
  EXPECT_FALSE(watched.b_at_a().is_controller.load());
}

TEST(Liveness, AControllerThatWasRemovedAndIsAddedAgainIsWatchedAgain) {
  WatchedController watched;
  ASSERT_TRUE(watched.b_at_a().is_controller.load());
  for (const bool remove : {true, false}) {
    DeviceChange change;
    PeerChange& peer = change.peers.emplace_back();
    peer.public_key = watched.b.public_key();
    peer.remove = remove;
    watched.a.apply(std::move(change));
  }
  EXPECT_TRUE(watched.b_at_a().is_controller.load());
}

}  // namespace
}  // namespace hawser::testing
