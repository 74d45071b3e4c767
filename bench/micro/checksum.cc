// The Internet checksum, in full and adjusted.
#include "routing/checksum.h"

#include <benchmark/benchmark.h>

#include <vector>

namespace hawser::bench {
namespace {

void checksum_full(benchmark::State& state) {
  const std::vector<std::uint8_t> bytes(static_cast<std::size_t>(state.range(0)), 0x5a);
  for (auto _ : state) benchmark::DoNotOptimize(checksum_finish(checksum_add(0, bytes)));
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(checksum_full)->ArgName("len")->Arg(20)->Arg(128)->Arg(576)->Arg(1400)->Arg(65000);

void checksum_adjusted(benchmark::State& state) {
  std::uint16_t checksum = 0x1234;
  for (auto _ : state) {
    checksum = checksum_adjust(checksum, 0x4011, 0x3f11);
    benchmark::DoNotOptimize(checksum);
  }
}
BENCHMARK(checksum_adjusted);

}  // namespace
}  // namespace hawser::bench
