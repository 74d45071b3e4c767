// HAWSER_SIM_SEED=n replays one seed (HAWSER_SIM_TRACE=1 prints what happens in it);
// HAWSER_SIM_SEEDS=n runs that many instead of the default.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <optional>

#include "tests/sim/scenario.h"

namespace hawser::testing {
namespace {

constexpr std::uint64_t kShards = 10;
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HAWSER_SLOW_BUILD 1
#endif
#endif
#if defined(__SANITIZE_THREAD__) || defined(HAWSER_SLOW_BUILD)
constexpr std::uint64_t kDefaultSeeds = 30;  // one thread: little for this sanitizer to find
#else
constexpr std::uint64_t kDefaultSeeds = 300;
#endif

std::optional<std::uint64_t> from_environment(const char* name) {
  const char* const text = std::getenv(name);
  if (text == nullptr) return std::nullopt;
  return std::strtoull(text, nullptr, 10);
}

ScenarioResult run_and_check(std::uint64_t seed) {
  ScenarioResult result = run_scenario(seed);
  EXPECT_EQ(result.failure, "") << "replay with HAWSER_SIM_SEED=" << seed;
  return result;
}

class Simulation : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(Simulation, InvariantsHoldWhateverHappens) {
  if (const auto seed = from_environment("HAWSER_SIM_SEED")) {
    if (GetParam() == 0) run_and_check(*seed);
    return;
  }
  const std::uint64_t num = from_environment("HAWSER_SIM_SEEDS").value_or(kDefaultSeeds);
  ScenarioResult sum;
  for (std::uint64_t seed = GetParam(); seed < num && !HasFailure(); seed += kShards) {
    const ScenarioResult result = run_and_check(seed);
    sum.num_datagrams += result.num_datagrams;
    sum.num_initiations += result.num_initiations;
    sum.num_cookie_replies += result.num_cookie_replies;
    sum.num_packets += result.num_packets;
    sum.num_arrived += result.num_arrived;
    sum.simulated_hours += result.simulated_hours;
  }
  RecordProperty("hours", std::to_string(sum.simulated_hours));
  std::cout << sum.simulated_hours << " hours, " << sum.num_datagrams << " datagrams, "
            << sum.num_initiations << " initiations, " << sum.num_cookie_replies
            << " cookie replies, " << sum.num_arrived << " of " << sum.num_packets
            << " packets arrived\n";
}

INSTANTIATE_TEST_SUITE_P(Shard, Simulation, ::testing::Range(std::uint64_t{0}, kShards));

TEST(SimulationReplay, ASeedIsTheSameBitForBit) {
  const ScenarioResult first = run_and_check(4711);
  const ScenarioResult second = run_and_check(4711);
  EXPECT_GT(first.num_datagrams, 1000U);
  EXPECT_EQ(first.trace_hash, second.trace_hash);
  EXPECT_EQ(first.num_datagrams, second.num_datagrams);
  EXPECT_NE(first.trace_hash, run_and_check(4712).trace_hash);
}

}  // namespace
}  // namespace hawser::testing
