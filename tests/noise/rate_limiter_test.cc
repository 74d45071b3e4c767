#include "noise/rate_limiter.h"

#include "base/wire.h"
#include "support.h"

namespace hawser::test {
namespace {

using Address4 = std::array<std::uint8_t, 4>;
using Address16 = std::array<std::uint8_t, 16>;

Address4 v4(std::uint32_t value) {
  Address4 address{};
  store_be32(address.data(), value);
  return address;
}
Address16 v6(std::uint64_t prefix, std::uint64_t host) {
  Address16 address{};
  store_be64(address.data(), prefix);
  store_be64(address.data() + 8, host);
  return address;
}

int allowed(RateLimiter& limiter, std::span<const std::uint8_t> address, int attempts,
            Instant now) {
  int count = 0;
  for (int i = 0; i < attempts; ++i) count += limiter.allow(address, now) ? 1 : 0;
  return count;
}

constexpr Instant kStart = Instant(seconds(1000));

TEST(RateLimiter, LetsABurstOf5Through) {
  RateLimiter limiter(1);
  EXPECT_EQ(allowed(limiter, v4(1), 100, kStart), 5);
}

TEST(RateLimiter, WorksFromTheFirstMomentOfTheClock) {
  RateLimiter limiter(1);
  EXPECT_EQ(allowed(limiter, v4(1), 100, Instant()), 5);
}

TEST(RateLimiter, GivesATokenBackEach50Milliseconds) {
  RateLimiter limiter(1);
  allowed(limiter, v4(1), 100, kStart);
  EXPECT_FALSE(limiter.allow(v4(1), kStart + milliseconds(50) - nanoseconds(1)));
  EXPECT_TRUE(limiter.allow(v4(1), kStart + milliseconds(50)));
  EXPECT_FALSE(limiter.allow(v4(1), kStart + milliseconds(50)));
  EXPECT_EQ(allowed(limiter, v4(1), 100, kStart + milliseconds(200)), 3);
}

TEST(RateLimiter, NeverSavesMoreThanABurst) {
  RateLimiter limiter(1);
  allowed(limiter, v4(1), 100, kStart);
  EXPECT_EQ(allowed(limiter, v4(1), 100, kStart + seconds(3600)), 5);
}

TEST(RateLimiter, LetsTwentyASecondThroughForAsLongAsItTakes) {
  RateLimiter limiter(1);
  int count = 0;
  for (int ms = 0; ms < 100'000; ++ms) {
    if (limiter.allow(v4(1), kStart + milliseconds(ms))) ++count;
  }
  EXPECT_EQ(count, 100 * 20 + 5 - 1);
}

TEST(RateLimiter, DifferentIpv4AddressesAreIndependent) {
  RateLimiter limiter(1);
  EXPECT_EQ(allowed(limiter, v4(0xc0000201), 100, kStart), 5);
  EXPECT_EQ(allowed(limiter, v4(0xc0000202), 100, kStart), 5);
  EXPECT_EQ(allowed(limiter, v4(0xc0000301), 100, kStart), 5);
  EXPECT_EQ(allowed(limiter, v4(0xc0000201), 100, kStart), 0);
}

TEST(RateLimiter, Ipv6AddressesOfA64ShareOneBucket) {
  RateLimiter limiter(1);
  EXPECT_EQ(allowed(limiter, v6(0x20010db800000001, 1), 3, kStart), 3);
  EXPECT_EQ(allowed(limiter, v6(0x20010db800000001, ~0ULL), 100, kStart), 2);
  EXPECT_EQ(allowed(limiter, v6(0x20010db800000002, 1), 100, kStart), 5);
}

TEST(RateLimiter, Ipv4AndIpv6DoNotShareBuckets) {
  RateLimiter limiter(1);
  EXPECT_EQ(allowed(limiter, v4(0), 100, kStart), 5);
  EXPECT_EQ(allowed(limiter, v6(0, 0), 100, kStart), 5);
  EXPECT_EQ(allowed(limiter, v4(0x20010db8), 100, kStart), 5);
  EXPECT_EQ(allowed(limiter, v6(0x20010db800000000, 0), 100, kStart), 5);
}

TEST(RateLimiter, AThousandSourcesAtOnceAreEachLimited) {
  RateLimiter limiter(7);
  for (std::uint32_t source = 0; source < 1000; ++source) {
    EXPECT_EQ(allowed(limiter, v4(source), 20, kStart), 5) << source;
  }
  for (std::uint32_t source = 0; source < 1000; ++source) {
    EXPECT_EQ(allowed(limiter, v4(source), 20, kStart), 0) << source;
  }
}

TEST(RateLimiter, AFloodOfRandomSourcesDoesNotShutOutANewOne) {
  RateLimiter limiter(8);
  SeededRandom random(1);
  for (int i = 0; i < 300'000; ++i) {
    limiter.allow(v6(random.u64(), random.u64()), kStart + nanoseconds(i));
  }
  EXPECT_EQ(allowed(limiter, v4(42), 100, kStart + milliseconds(1)), 5);
}

// Sources that come once are pushed out before one that has used its burst up.
TEST(RateLimiter, AFloodOfRandomSourcesDoesNotFreeALimitedOne) {
  RateLimiter limiter(9);
  SeededRandom random(2);
  EXPECT_EQ(allowed(limiter, v4(42), 100, kStart), 5);
  for (int i = 0; i < 300'000; ++i) limiter.allow(v6(random.u64(), random.u64()), kStart);
  EXPECT_EQ(allowed(limiter, v4(42), 100, kStart), 0);
}

}  // namespace
}  // namespace hawser::test
