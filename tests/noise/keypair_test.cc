#include "noise/keypair.h"

#include <thread>

#include "support.h"

namespace hawser::test {
namespace {

SessionKeys session(bool is_initiator) {
  SessionKeys keys;
  keys.is_initiator = is_initiator;
  return keys;
}

TEST(Keypair, ReservesConsecutiveCounters) {
  Keypair keypair(session(true), at(seconds(0)), nullptr);
  EXPECT_EQ(keypair.reserve_counters(3, at(seconds(1))), 0U);
  EXPECT_EQ(keypair.reserve_counters(1, at(seconds(1))), 3U);
  EXPECT_EQ(keypair.reserve_counters(5, at(seconds(1))), 4U);
}

TEST(Keypair, NeitherSendsNorReceivesAfter180Seconds) {
  Keypair keypair(session(true), at(seconds(10)), nullptr);
  EXPECT_FALSE(keypair.expired(at(seconds(190) - nanoseconds(1))));
  EXPECT_TRUE(keypair.reserve_counters(1, at(seconds(190) - nanoseconds(1))));
  EXPECT_TRUE(keypair.expired(at(seconds(190))));
  EXPECT_FALSE(keypair.reserve_counters(1, at(seconds(190))));
}

TEST(Keypair, NoCounterReachesRejectAfterMessages) {
  Keypair keypair(session(true), at(seconds(0)), nullptr);
  keypair.start_send_counter_at(kRejectAfterMessages - 2);
  EXPECT_FALSE(keypair.reserve_counters(3, at(seconds(0))));
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(keypair.reserve_counters(1000, at(seconds(0))));

  Keypair other(session(true), at(seconds(0)), nullptr);
  other.start_send_counter_at(kRejectAfterMessages - 2);
  EXPECT_EQ(other.reserve_counters(2, at(seconds(0))), kRejectAfterMessages - 2);
  EXPECT_FALSE(other.reserve_counters(1, at(seconds(0))));
}

TEST(Keypair, SendsNoMoreOnceItMayNot) {
  Keypair keypair(session(true), at(seconds(0)), nullptr);
  ASSERT_TRUE(keypair.reserve_counters(1, at(seconds(1))));
  keypair.may_send.store(false);
  EXPECT_FALSE(keypair.reserve_counters(1, at(seconds(1))));
}

TEST(Keypair, OnlyTheInitiatorRekeysForAge) {
  Keypair initiator(session(true), at(seconds(0)), nullptr);
  Keypair responder(session(false), at(seconds(0)), nullptr);
  EXPECT_FALSE(initiator.wants_rekey_on_send(at(milliseconds(119'999))));
  EXPECT_TRUE(initiator.wants_rekey_on_send(at(seconds(120))));
  EXPECT_FALSE(responder.wants_rekey_on_send(at(seconds(179))));
  EXPECT_FALSE(initiator.wants_rekey_on_receive(at(milliseconds(164'999))));
  EXPECT_TRUE(initiator.wants_rekey_on_receive(at(seconds(165))));
  EXPECT_FALSE(responder.wants_rekey_on_receive(at(seconds(179))));
}

TEST(Keypair, EitherSideRekeysAfterTooManyMessages) {
  Keypair responder(session(false), at(seconds(0)), nullptr);
  responder.start_send_counter_at(kRekeyAfterMessages);
  EXPECT_FALSE(responder.wants_rekey_on_send(at(seconds(1))));
  responder.start_send_counter_at(kRekeyAfterMessages + 1);
  EXPECT_TRUE(responder.wants_rekey_on_send(at(seconds(1))));
}

TEST(Keypair, ThreadsNeverGetTheSameCounter) {
  Keypair keypair(session(true), at(seconds(0)), nullptr);
  constexpr int kRounds = 20'000;
  std::array<std::vector<std::uint64_t>, 2> firsts;
  std::array<std::thread, 2> threads;
  for (std::size_t t = 0; t < 2; ++t) {
    threads[t] = std::thread([&keypair, &mine = firsts[t]] {
      for (int i = 0; i < kRounds; ++i)
        mine.push_back(*keypair.reserve_counters(3, at(seconds(0))));
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::vector<std::uint64_t> all = firsts[0];
  all.insert(all.end(), firsts[1].begin(), firsts[1].end());
  std::sort(all.begin(), all.end());
  for (std::size_t i = 0; i < all.size(); ++i) ASSERT_EQ(all[i], 3 * i);
}

}  // namespace
}  // namespace hawser::test
