// A worker's whole way of a relayed train, in memory: open, route, seal. No system call. `trains`
// is how many one turn of the worker gets.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <memory>

#include "bench/micro/relay_lab.h"
#include "bench/micro/stopwatch.h"

namespace hawser::bench {
namespace {

void relay(benchmark::State& state, AeadKind kind) {
  if (!make_aead(kind)) return state.SkipWithError("not in this build, or not on this processor");
  const auto len = static_cast<std::size_t>(state.range(0));
  const auto segments = static_cast<std::uint32_t>(state.range(1));
  const auto trains = static_cast<std::size_t>(state.range(2));
  const std::size_t turns = std::max<std::size_t>(1, kPacketsPerStretch / (segments * trains));
  const IpFamily family = state.range(3) == 4 ? IpFamily::kV4 : IpFamily::kV6;
  RelayLab lab(kind, family, len, segments, trains, turns);
  if (!lab.connected()) return state.SkipWithError("no handshake");
  lab.seal();
  lab.relay();
  if (!lab.check()) return state.SkipWithError("was not relayed as it should be");
  for (auto _ : state) {
    lab.seal();
    Stopwatch watch(state);
    lab.relay();
    watch.stop();
  }
  const auto packets = static_cast<std::int64_t>(turns * trains * segments);
  count_packets(state, packets);
  state.SetBytesProcessed(state.iterations() * packets * static_cast<std::int64_t>(len));
}

void relay_shapes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"len", "segments", "trains", "ip"})
      ->ArgsProduct({{1420}, {1, 45}, {1, 16}, {4}})
      ->ArgsProduct({{128}, {1, 64}, {1, 16}, {4}})
      ->Args({1420, 45, 1, 6})
      ->Args({128, 64, 1, 6})
      ->UseManualTime();
}

BENCHMARK_CAPTURE(relay, boringssl, AeadKind::kBoringSsl)
    ->Apply(relay_shapes)
    ->Name("relay/boringssl");
BENCHMARK_CAPTURE(relay, ipsec_mb, AeadKind::kIpsecMb)->Apply(relay_shapes)->Name("relay/ipsec_mb");
BENCHMARK_CAPTURE(relay, lanes, AeadKind::kLanes)->Apply(relay_shapes)->Name("relay/lanes");

}  // namespace
}  // namespace hawser::bench
