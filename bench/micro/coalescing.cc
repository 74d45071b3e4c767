// Merging TCP packets for TUN, checksums verified.
#include <benchmark/benchmark.h>

#include <memory>
#include <vector>

#include "bench/micro/stopwatch.h"
#include "bench/micro/tcp_packet.h"
#include "dataplane/coalescer.h"

namespace hawser::bench {
namespace {

constexpr std::uint32_t kSegments = 44;

// `flows` flows of kSegments packets, taking turns.
std::vector<std::vector<std::uint8_t>> make_packets(IpFamily family, std::size_t flows) {
  std::vector<std::vector<std::vector<std::uint8_t>>> by_flow;
  for (std::size_t i = 0; i < flows; ++i) {
    by_flow.push_back(cut(make_tcp_super_packet(family, kSegments, static_cast<std::uint16_t>(i))));
  }
  std::vector<std::vector<std::uint8_t>> packets;
  for (std::size_t segment = 0; segment < kSegments; ++segment) {
    for (const auto& flow : by_flow) packets.push_back(flow[segment]);
  }
  return packets;
}

void coalescing_tcp(benchmark::State& state) {
  const auto flows = static_cast<std::size_t>(state.range(0));
  const IpFamily family = state.range(1) == 4 ? IpFamily::kV4 : IpFamily::kV6;
  const auto originals = make_packets(family, flows);
  auto packets = originals;
  const auto out = std::make_unique<OutBatch>();
  Coalescer coalescer(TunFeatures{.tso = true, .uso = true});
  for (auto _ : state) {
    for (std::size_t i = 0; i < flows; ++i) packets[i] = originals[i];  // headers were rewritten
    out->clear();
    Stopwatch watch(state);
    std::uint32_t drops = 0;
    for (std::vector<std::uint8_t>& packet : packets) {
      drops += coalescer.add(*out, packet, *parse_ip(packet));
    }
    drops += coalescer.flush(*out);
    watch.stop();
    if (drops > 0) return state.SkipWithError("dropped");
  }
  state.counters["writes"] = static_cast<double>(out->tun().size());
  count_packets(state, static_cast<std::int64_t>(packets.size()));
}
BENCHMARK(coalescing_tcp)
    ->ArgNames({"flows", "ip"})
    ->ArgsProduct({{1, 8}, {4, 6}})
    ->UseManualTime();

}  // namespace
}  // namespace hawser::bench
