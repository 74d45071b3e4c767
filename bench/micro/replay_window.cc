// The replay window (RFC 6479), which every packet passes.
#include "noise/replay_window.h"

#include <benchmark/benchmark.h>

namespace hawser::bench {
namespace {

void replay_in_order(benchmark::State& state) {
  ReplayWindow window;
  std::uint64_t counter = 0;
  for (auto _ : state) benchmark::DoNotOptimize(window.accept(counter++));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(replay_in_order);

// Each pair of packets the other way round.
void replay_swapped(benchmark::State& state) {
  ReplayWindow window;
  std::uint64_t counter = 0;
  for (auto _ : state) benchmark::DoNotOptimize(window.accept(counter++ ^ 1));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(replay_swapped);

void replay_refused(benchmark::State& state) {
  ReplayWindow window;
  window.accept(1);
  for (auto _ : state) benchmark::DoNotOptimize(window.accept(1));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(replay_refused);

// A jump as wide as the window: all of it is to be cleared.
void replay_jump(benchmark::State& state) {
  ReplayWindow window;
  std::uint64_t counter = 0;
  for (auto _ : state) benchmark::DoNotOptimize(window.accept(counter += kReplayBits));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(replay_jump);

}  // namespace
}  // namespace hawser::bench
