#include "noise/replay_window.h"

#include <set>

#include "support.h"

namespace hawser::test {
namespace {

// The definition: every accepted counter is remembered, those too old are refused.
class Model {
 public:
  bool accept(std::uint64_t counter) {
    if (counter >= kRejectAfterMessages) return false;
    if (!seen_.empty() && counter < *seen_.rbegin() && *seen_.rbegin() - counter > kReplayWindow) {
      return false;
    }
    return seen_.insert(counter).second;
  }

 private:
  std::set<std::uint64_t> seen_;
};

TEST(ReplayWindow, EachCounterIsTakenOnce) {
  ReplayWindow window;
  EXPECT_TRUE(window.accept(0));
  EXPECT_FALSE(window.accept(0));
  EXPECT_TRUE(window.accept(1));
  EXPECT_FALSE(window.accept(1));
  EXPECT_TRUE(window.accept(3));
  EXPECT_TRUE(window.accept(2));
  EXPECT_FALSE(window.accept(2));
  EXPECT_EQ(window.greatest(), 3U);
}

TEST(ReplayWindow, FirstPacketNeedNotBeCounterZero) {
  ReplayWindow window;
  EXPECT_TRUE(window.accept(5000));
  EXPECT_TRUE(window.accept(0));
  EXPECT_FALSE(window.accept(5000));
}

TEST(ReplayWindow, ReachesBackExactly8128) {
  for (std::uint64_t greatest = 20'000; greatest < 20'000 + 130; ++greatest) {
    ReplayWindow window;
    ASSERT_TRUE(window.accept(greatest));
    EXPECT_FALSE(window.accept(greatest - 8129)) << greatest;
    EXPECT_TRUE(window.accept(greatest - 8128)) << greatest;
    EXPECT_FALSE(window.accept(greatest - 8128)) << greatest;
    EXPECT_TRUE(window.accept(greatest - 8127)) << greatest;
  }
}

TEST(ReplayWindow, CountersFromRejectAfterMessagesOnAreRefused) {
  ReplayWindow window;
  EXPECT_FALSE(window.accept(kRejectAfterMessages));
  EXPECT_FALSE(window.accept(~std::uint64_t{0}));
  EXPECT_EQ(window.greatest(), 0U);
  EXPECT_TRUE(window.accept(kRejectAfterMessages - 1));
  EXPECT_FALSE(window.accept(kRejectAfterMessages - 1));
  EXPECT_TRUE(window.accept(kRejectAfterMessages - 2));
  EXPECT_FALSE(window.accept(kRejectAfterMessages));
  EXPECT_FALSE(window.accept(0));
}

TEST(ReplayWindow, RefusedCountersChangeNothing) {
  ReplayWindow window;
  ASSERT_TRUE(window.accept(10'000));
  EXPECT_FALSE(window.accept(1));
  EXPECT_EQ(window.greatest(), 10'000U);
  EXPECT_TRUE(window.accept(10'000 - 8128));
}

TEST(ReplayWindow, ResetForgetsEverything) {
  ReplayWindow window;
  ASSERT_TRUE(window.accept(100));
  ASSERT_TRUE(window.accept(200));
  window.reset();
  EXPECT_EQ(window.greatest(), 0U);
  EXPECT_TRUE(window.accept(100));
  EXPECT_TRUE(window.accept(0));
}

void run_against_model(std::uint64_t seed, std::uint64_t start, std::uint64_t max_step) {
  SeededRandom random(seed);
  ReplayWindow window;
  Model model;
  std::uint64_t head = start;
  for (int i = 0; i < 60'000; ++i) {
    std::uint64_t counter = head;
    switch (random.u64() % 4) {
      case 0:  // onward
        head += random.u64() % max_step;
        counter = head;
        break;
      case 1:  // close behind
        counter = head - random.u64() % 64;
        break;
      case 2:  // anywhere in the window, and around its end
        counter = head - random.u64() % 8400;
        break;
      default:
        counter = head - 8128 + random.u64() % 5 - 2;
        break;
    }
    ASSERT_EQ(window.accept(counter), model.accept(counter)) << "seed " << seed << " step " << i;
  }
}

TEST(ReplayWindow, AgreesWithASetOnRandomTraffic) {
  for (const std::uint64_t max_step : {2U, 5U, 70U, 1000U, 9000U, 40'000U}) {
    run_against_model(max_step, 10'000, max_step);
  }
}

TEST(ReplayWindow, AgreesWithASetOnHugeJumps) {
  run_against_model(7, 10'000, std::uint64_t{1} << 40);
  run_against_model(8, 10'000, std::uint64_t{1} << 48);
}

TEST(ReplayWindow, AgreesWithASetAcrossRejectAfterMessages) {
  run_against_model(9, kRejectAfterMessages - 20'000, 3);
  run_against_model(10, kRejectAfterMessages - 200'000, 50);
}

TEST(ReplayWindow, AgreesWithASetWhereCountersGrowAnOctetLonger) {
  run_against_model(11, (std::uint64_t{1} << 32) - 10'000, 4);
}

TEST(ReplayWindow, AgreesWithASetAtJumpsOfWholeWordsAndWholeWindows) {
  for (const std::uint64_t jump : {63U, 64U, 65U, 127U, 128U, 8127U, 8128U, 8129U, 8191U, 8192U,
                                   8193U, 8255U, 8256U, 16384U}) {
    ReplayWindow window;
    Model model;
    std::uint64_t head = 0;
    for (int i = 0; i < 200; ++i) {
      for (std::uint64_t back = 0; back <= std::min<std::uint64_t>(head, 8200); back += 31) {
        ASSERT_EQ(window.accept(head - back), model.accept(head - back)) << jump << " " << back;
      }
      head += jump;
    }
  }
}

}  // namespace
}  // namespace hawser::test
