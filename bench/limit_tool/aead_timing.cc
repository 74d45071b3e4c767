#include "bench/limit_tool/aead_timing.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "bench/load/clock.h"
#include "noise/messages.h"

namespace hawser::limit {
namespace {

constexpr std::size_t kTrain = 64;

double median_per_packet(std::vector<std::int64_t>& times) {
  const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::nth_element(times.begin(), middle, times.end());
  return static_cast<double>(*middle) / static_cast<double>(kTrain);
}

// Packets as in a train: header, data, tag, one after another.
std::vector<AeadJob> lay_out(std::vector<std::uint8_t>& memory, std::size_t len,
                             const TransportKey& key) {
  std::vector<AeadJob> jobs(kTrain);
  for (std::size_t i = 0; i < kTrain; ++i) {
    jobs[i] = {memory.data() + i * (len + kTransportOverhead) + sizeof(TransportHeader),
               static_cast<std::uint32_t>(len), false, i, &key};
  }
  return jobs;
}

}  // namespace

std::optional<AeadTimes> time_aead(AeadKind kind, std::size_t len, std::int64_t duration_ns) {
  const std::unique_ptr<Aead> aead = make_aead(kind);
  if (!aead || !aead_agrees(*aead)) return std::nullopt;
  TransportKey key;
  std::fill_n(key.data(), kKeyLen, std::uint8_t{7});
  std::vector<std::uint8_t> memory(kTrain * (len + kTransportOverhead));
  std::vector<AeadJob> jobs = lay_out(memory, len, key);
  std::vector<std::int64_t> seals;
  std::vector<std::int64_t> opens;
  for (const std::int64_t begin = load::monotonic_ns();
       load::monotonic_ns() - begin < duration_ns || seals.empty();) {
    const std::int64_t start = load::monotonic_ns();
    aead->seal(jobs);
    const std::int64_t sealed = load::monotonic_ns();
    aead->open(jobs);
    opens.push_back(load::monotonic_ns() - sealed);
    seals.push_back(sealed - start);
    if (!std::all_of(jobs.begin(), jobs.end(), [](const AeadJob& job) { return job.ok; })) {
      return std::nullopt;
    }
  }
  return AeadTimes{median_per_packet(seals), median_per_packet(opens)};
}

}  // namespace hawser::limit
