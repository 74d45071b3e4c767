// The AEAD backends by size of the packet and of the batch.
#include "noise/aead.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "bench/micro/stopwatch.h"
#include "noise/constants.h"

namespace hawser::bench {
namespace {

// Each timed stretch goes once through so much memory, whatever the packets and the batch: what the
// kernel hands over is not in the first cache, and a hot loop judges forms of this code wrongly.
constexpr std::size_t kMemory = std::size_t{4} << 20;

class Batches {
 public:
  explicit Batches(std::size_t len)
      : len_(len),
        key_(make_key()),
        num_(kMemory / stride()),
        memory_(num_ * stride()),
        jobs_(num_) {
    reset_jobs();
  }

  std::size_t num() const { return num_; }
  void seal(Aead& aead, std::size_t batch) {
    for (std::size_t at = 0; at < num_; at += batch) aead.seal(some(at, batch));
  }
  bool open(Aead& aead, std::size_t batch) {
    for (std::size_t at = 0; at < num_; at += batch) aead.open(some(at, batch));
    return std::all_of(jobs_.begin(), jobs_.end(), [](const AeadJob& job) { return job.ok; });
  }
  void keep() { kept_ = memory_; }
  void restore() { std::copy(kept_.begin(), kept_.end(), memory_.begin()); }

 private:
  static TransportKey make_key() {
    TransportKey key;
    std::fill_n(key.data(), kKeyLen, std::uint8_t{7});
    return key;
  }
  // As in a train: header, data, tag, one packet after another.
  std::size_t stride() const { return len_ + 16 + kAeadTagLen; }
  std::span<AeadJob> some(std::size_t at, std::size_t batch) {
    return std::span(jobs_).subspan(at, std::min(batch, num_ - at));
  }
  void reset_jobs() {
    for (std::size_t i = 0; i < num_; ++i) {
      jobs_[i] = {memory_.data() + i * stride() + 16, static_cast<std::uint32_t>(len_), false, i,
                  &key_};
    }
  }

  std::size_t len_;
  TransportKey key_;
  std::size_t num_;
  std::vector<std::uint8_t> memory_;
  std::vector<std::uint8_t> kept_;
  std::vector<AeadJob> jobs_;
};

void count(benchmark::State& state, const Batches& batches) {
  const auto packets = static_cast<std::int64_t>(batches.num());
  count_packets(state, packets);
  state.SetBytesProcessed(state.iterations() * packets * state.range(0));
}

void seal(benchmark::State& state, AeadKind kind) {
  const std::unique_ptr<Aead> aead = make_aead(kind);
  if (!aead) return state.SkipWithError("not in this build, or not on this processor");
  Batches batches(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) {
    Stopwatch watch(state);
    batches.seal(*aead, static_cast<std::size_t>(state.range(1)));
    watch.stop();
  }
  count(state, batches);
}

void open(benchmark::State& state, AeadKind kind) {
  const std::unique_ptr<Aead> aead = make_aead(kind);
  if (!aead) return state.SkipWithError("not in this build, or not on this processor");
  Batches batches(static_cast<std::size_t>(state.range(0)));
  batches.seal(*aead, 64);
  batches.keep();
  for (auto _ : state) {
    batches.restore();
    Stopwatch watch(state);
    const bool ok = batches.open(*aead, static_cast<std::size_t>(state.range(1)));
    watch.stop();
    if (!ok) return state.SkipWithError("a packet does not open");
  }
  count(state, batches);
}

void aead_shapes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"len", "batch"})
      ->ArgsProduct({{0, 64, 128, 576, 1424}, {1, 4, 16, 64}})
      ->UseManualTime();
}

BENCHMARK_CAPTURE(seal, boringssl, AeadKind::kBoringSsl)
    ->Apply(aead_shapes)
    ->Name("aead_seal/boringssl");
BENCHMARK_CAPTURE(seal, ipsec_mb, AeadKind::kIpsecMb)
    ->Apply(aead_shapes)
    ->Name("aead_seal/ipsec_mb");
BENCHMARK_CAPTURE(seal, lanes, AeadKind::kLanes)->Apply(aead_shapes)->Name("aead_seal/lanes");
BENCHMARK_CAPTURE(open, boringssl, AeadKind::kBoringSsl)
    ->Apply(aead_shapes)
    ->Name("aead_open/boringssl");
BENCHMARK_CAPTURE(open, ipsec_mb, AeadKind::kIpsecMb)
    ->Apply(aead_shapes)
    ->Name("aead_open/ipsec_mb");
BENCHMARK_CAPTURE(open, lanes, AeadKind::kLanes)->Apply(aead_shapes)->Name("aead_open/lanes");

}  // namespace
}  // namespace hawser::bench
