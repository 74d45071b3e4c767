// Cutting a TCP super-packet of a TUN read into packets, checksums included.
#include "dataplane/segmentation.h"

#include <benchmark/benchmark.h>

#include <optional>
#include <vector>

#include "bench/micro/stopwatch.h"
#include "bench/micro/tcp_packet.h"

namespace hawser::bench {
namespace {

void segmentation_tcp(benchmark::State& state) {
  const auto num = static_cast<std::uint32_t>(state.range(0));
  const IpFamily family = state.range(1) == 4 ? IpFamily::kV4 : IpFamily::kV6;
  const TcpSuperPacket packet = make_tcp_super_packet(family, num, 0);
  std::vector<std::uint8_t> out(2 * kMaxTrainLen);
  for (auto _ : state) {
    const std::optional<Segmenter> segmenter = Segmenter::begin(packet.bytes, packet.offload);
    if (!segmenter || segmenter->num_segments() != num) {
      return state.SkipWithError("the super-packet was refused");
    }
    std::uint8_t* at = out.data();
    for (std::uint32_t i = 0; i < num; ++i) {
      segmenter->write(i, at);
      at += segmenter->segment_len(i);
    }
    benchmark::ClobberMemory();
  }
  count_packets(state, num);
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(packet.bytes.size()));
}
BENCHMARK(segmentation_tcp)->ArgNames({"segments", "ip"})->ArgsProduct({{1, 8, 46}, {4, 6}});

}  // namespace
}  // namespace hawser::bench
