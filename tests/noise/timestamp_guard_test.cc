#include "noise/timestamp_guard.h"

#include <map>

#include "support.h"

namespace hawser::test {
namespace {

constexpr std::int64_t kToday = 1'790'000'000;  // in 2026
constexpr std::int64_t kDay = 86'400;

class FakeStore final : public TimestampStore {
 public:
  std::optional<WallTime> load(const PublicKey& identity) override {
    const auto found = kept.find(identity);
    return found == kept.end() ? std::nullopt : std::optional(found->second);
  }
  bool reserve(const PublicKey& identity, const WallTime& until) override {
    ++num_reserved;
    if (fails) return false;
    kept[identity] = until;
    return true;
  }
  void disbelieved(const PublicKey&) override { ++num_disbelieved; }
  std::map<PublicKey, WallTime> kept;
  int num_disbelieved = 0;
  int num_reserved = 0;
  bool fails = false;
};

PublicKey identity(std::uint8_t first) {
  PublicKey key;
  key.bytes[0] = first;
  return key;
}

Now now_at(std::int64_t boot_seconds, std::int64_t wall_seconds, std::uint32_t wall_nanos = 0) {
  return {Instant(seconds(boot_seconds)), {wall_seconds, wall_nanos}};
}
Tai64n label(std::int64_t wall_seconds) { return to_tai64n({wall_seconds, 0}); }

TEST(TimestampGuard, FollowsTheWallClock) {
  TimestampGuard guard(identity(1), nullptr);
  EXPECT_EQ(guard.next(now_at(10, kToday)), label(kToday));
  EXPECT_EQ(guard.next(now_at(15, kToday + 5)), label(kToday + 5));
  EXPECT_EQ(guard.next(now_at(20, kToday + 500)), label(kToday + 500));
  EXPECT_EQ(guard.next(now_at(25, kToday + 505, 0x12ffffff)),
            to_tai64n({kToday + 505, 0x12000000}));
}

TEST(TimestampGuard, ClockGoneBackDoesNotTakeStampsBack) {
  TimestampGuard guard(identity(1), nullptr);
  EXPECT_EQ(guard.next(now_at(10, kToday)), label(kToday));
  EXPECT_EQ(guard.next(now_at(15, kToday - 3600)), label(kToday + 5));
  EXPECT_EQ(guard.next(now_at(20, 0)), label(kToday + 10));
  EXPECT_EQ(guard.next(now_at(30, kToday + 60)), label(kToday + 60));  // set right again
}

TEST(TimestampGuard, RestartWithTheClockBackBeginsAtTheReservation) {
  FakeStore store;
  std::optional<Tai64n> last;
  {
    TimestampGuard guard(identity(1), &store);
    for (int i = 0; i < 300; ++i) last = guard.next(now_at(i * 5, kToday + i * 5));
  }
  TimestampGuard guard(identity(1), &store);
  const std::optional<Tai64n> first = guard.next(now_at(3, kToday - 30 * kDay));
  ASSERT_TRUE(last && first);
  EXPECT_GT(*first, *last);
  EXPECT_LE(*first, label(kToday + 299 * 5 + 600));
}

// Whatever moment a run ends at, the next one begins later, also after rounding.
TEST(TimestampGuard, EveryRestartBeginsStrictlyLater) {
  FakeStore store;
  SeededRandom random(1);
  std::int64_t boot = 0;
  std::optional<Tai64n> last;
  for (int run = 0; run < 200; ++run) {
    TimestampGuard guard(identity(1), &store);
    const std::uint64_t num = 1 + random.u64() % 200;
    for (std::uint64_t i = 0; i < num; ++i) {
      boot += static_cast<std::int64_t>(5 + random.u64() % 3);
      const auto nanos = static_cast<std::uint32_t>(random.u64() % 1'000'000'000);
      const std::int64_t wall = kToday + boot - static_cast<std::int64_t>(random.u64() % 4000);
      const std::optional<Tai64n> stamp = guard.next(now_at(boot, wall, nanos));
      ASSERT_TRUE(stamp);
      if (last) {
        ASSERT_GT(*stamp, *last) << "run " << run << " stamp " << i;
      }
      last = stamp;
    }
  }
}

TEST(TimestampGuard, RestartIsLaterEvenWhereTheReservationSharesAGranuleWithTheLastStamp) {
  FakeStore store;
  Tai64n last{};
  {
    TimestampGuard guard(identity(1), &store);
    ASSERT_TRUE(guard.next(now_at(0, kToday, 0x01800000)));
    // Just before what was reserved, and in the same 16.8 ms as that.
    const auto stamp = guard.next(now_at(600, kToday + 600, 0x017fffff));
    ASSERT_TRUE(stamp);
    last = *stamp;
  }
  TimestampGuard guard(identity(1), &store);
  const auto first = guard.next(now_at(3, kToday));
  ASSERT_TRUE(first);
  EXPECT_GT(*first, last);
}

TEST(TimestampGuard, ReservesAboutOnceInTenMinutes) {
  FakeStore store;
  TimestampGuard guard(identity(1), &store);
  for (int i = 0; i < 3600; ++i) ASSERT_TRUE(guard.next(now_at(i, kToday + i)));
  EXPECT_GE(store.num_reserved, 6);
  EXPECT_LE(store.num_reserved, 7);
}

TEST(TimestampGuard, ReservationCoversEveryStampBeforeItIsHandedOut) {
  FakeStore store;
  TimestampGuard guard(identity(1), &store);
  for (int i = 0; i < 5000; i += 7) {
    const std::optional<Tai64n> stamp = guard.next(now_at(i, kToday + i, 999'999'999));
    ASSERT_TRUE(stamp);
    ASSERT_LT(*stamp, to_tai64n(store.kept.at(identity(1))));
  }
}

TEST(TimestampGuard, LeadOfARestartIsWorkedOff) {
  FakeStore store;
  store.kept[identity(1)] = {kToday + 600, 0};
  TimestampGuard guard(identity(1), &store);
  std::optional<Tai64n> last = guard.next(now_at(0, kToday));
  EXPECT_EQ(last, label(kToday + 600));
  for (int i = 5; i <= 700; i += 5) {
    const std::optional<Tai64n> stamp = guard.next(now_at(i, kToday + i));
    ASSERT_TRUE(stamp);
    EXPECT_GT(*stamp, *last);
    last = stamp;
  }
  EXPECT_EQ(last, label(kToday + 700));  // the wall clock again
}

TEST(TimestampGuard, ManyQuickRestartsDoNotRunAwayByTenMinutesEach) {
  FakeStore store;
  for (int run = 0; run < 100; ++run) {
    TimestampGuard guard(identity(1), &store);
    ASSERT_TRUE(guard.next(now_at(run * 5, kToday + run * 5)));
  }
  EXPECT_LT(store.kept.at(identity(1)).seconds, kToday + 2 * 3600);
}

TEST(TimestampGuard, IdentitiesAreKeptApart) {
  FakeStore store;
  store.kept[identity(2)] = {kToday + 600, 0};
  TimestampGuard guard(identity(1), &store);
  EXPECT_EQ(guard.next(now_at(0, kToday)), label(kToday));
}

TEST(TimestampGuard, ImplausibleJumpEmitsNothingUntilTheClockRecovers) {
  TimestampGuard guard(identity(1), nullptr);
  ASSERT_TRUE(guard.next(now_at(0, kToday)));
  EXPECT_FALSE(guard.next(now_at(5, kToday + 400 * kDay)));
  EXPECT_FALSE(guard.next(now_at(10, kToday + 4000 * kDay)));
  EXPECT_EQ(guard.next(now_at(15, kToday + 15)), label(kToday + 15));
}

TEST(TimestampGuard, JumpsUpToTheLimitAreBelieved) {
  TimestampGuard guard(identity(1), nullptr);
  ASSERT_TRUE(guard.next(now_at(0, kToday)));
  EXPECT_FALSE(guard.next(now_at(5, kToday + 5 + 366 * kDay, 1)));
  EXPECT_TRUE(guard.next(now_at(5, kToday + 5 + 366 * kDay)));
}

TEST(TimestampGuard, LongUptimeIsNoJump) {
  TimestampGuard guard(identity(1), nullptr);
  ASSERT_TRUE(guard.next(now_at(0, kToday)));
  EXPECT_EQ(guard.next(now_at(500 * kDay, kToday + 500 * kDay)), label(kToday + 500 * kDay));
}

TEST(TimestampGuard, ImplausibleJumpAgainstTheReservationEmitsNothing) {
  FakeStore store;
  store.kept[identity(1)] = {kToday, 0};
  TimestampGuard guard(identity(1), &store);
  EXPECT_FALSE(guard.next(now_at(0, kToday + 400 * kDay)));
  EXPECT_EQ(store.num_reserved, 0);
  EXPECT_EQ(guard.next(now_at(5, kToday + 60)), label(kToday + 60));
}

TEST(TimestampGuard, AReservationFarAheadOfTheClockIsNotUsed) {
  FakeStore store;
  store.kept[identity(1)] = {kToday + 400 * kDay, 0};
  TimestampGuard guard(identity(1), &store);
  for (int i = 0; i < 2000; i += 5) {
    EXPECT_EQ(guard.next(now_at(i, kToday + i)), label(kToday + i));
  }
  EXPECT_EQ(store.num_disbelieved, 1);
  EXPECT_EQ(store.num_reserved, 0);  // what was stored may yet turn out to be right
}

TEST(TimestampGuard, AReservationCountsWhenTheClockTurnsOutToHaveBeenWrong) {
  FakeStore store;
  store.kept[identity(1)] = {kToday, 0};
  TimestampGuard guard(identity(1), &store);
  EXPECT_EQ(guard.next(now_at(0, kToday - 700 * kDay)), label(kToday - 700 * kDay));
  // It is set, to a little less than what was reserved.
  EXPECT_EQ(guard.next(now_at(20, kToday - 60)), label(kToday));
  EXPECT_EQ(guard.next(now_at(100, kToday + 20)), label(kToday + 20));
  EXPECT_GT(store.kept.at(identity(1)).seconds, kToday + 20);
}

TEST(TimestampGuard, AClockThatWasNeverSetSaysNothingAgainstAReservation) {
  FakeStore store;
  store.kept[identity(1)] = {kToday, 0};
  TimestampGuard guard(identity(1), &store);
  EXPECT_EQ(guard.next(now_at(0, 100)), label(kToday));
  EXPECT_EQ(store.num_disbelieved, 0);
}

TEST(TimestampGuard, ClockThatWasNeverSetMayJumpToThePresent) {
  FakeStore store;
  TimestampGuard guard(identity(1), &store);
  EXPECT_EQ(guard.next(now_at(0, 100)), label(100));
  EXPECT_EQ(guard.next(now_at(5, kToday)), label(kToday));

  FakeStore from_1970;
  from_1970.kept[identity(1)] = {600, 0};
  TimestampGuard restarted(identity(1), &from_1970);
  EXPECT_EQ(restarted.next(now_at(0, kToday)), label(kToday));
}

TEST(TimestampGuard, FailingStoreIsGoneOnWithoutAndNotAskedEachTime) {
  FakeStore store;
  store.fails = true;
  TimestampGuard guard(identity(1), &store);
  for (int i = 0; i < 600; ++i) {
    EXPECT_EQ(guard.next(now_at(i, kToday + i)), label(kToday + i));
  }
  EXPECT_GE(store.num_reserved, 10);
  EXPECT_LE(store.num_reserved, 11);
  store.fails = false;
  ASSERT_TRUE(guard.next(now_at(700, kToday + 700)));
  EXPECT_EQ(store.kept.at(identity(1)).seconds, kToday + 1300);
}

TEST(TimestampGuard, NonsenseInTheStoreDoesNoHarm) {
  for (const std::int64_t value :
       {std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int64_t>::min()}) {
    FakeStore store;
    store.kept[identity(1)] = {value, 4'000'000'000U};
    TimestampGuard guard(identity(1), &store);
    for (int i = 0; i < 100; i += 5) EXPECT_TRUE(guard.next(now_at(i, kToday + i)));
  }
}

TEST(TimestampGuard, BootTimeThatStandsStillDoesNotTakeStampsBack) {
  TimestampGuard guard(identity(1), nullptr);
  EXPECT_EQ(guard.next(now_at(10, kToday)), label(kToday));
  EXPECT_EQ(guard.next(now_at(10, kToday - 5)), label(kToday));
}

}  // namespace
}  // namespace hawser::test
