#include "noise/aead_choice.h"

#include <algorithm>
#include <array>
#include <vector>

#include "noise/constants.h"

namespace hawser {
namespace {

constexpr std::array kBackends = {AeadKind::kBoringSsl, AeadKind::kIpsecMb, AeadKind::kLanes};

// What is timed for each class of batches.
constexpr std::array<std::uint32_t, kNumAeadSizes> kTimedLens = {128, 576, 1424};
constexpr std::array<std::size_t, kNumAeadShapes> kTimedBatches = {1, 4, 16};
constexpr std::array<const char*, kNumAeadSizes> kSizeNames = {"small", "middle", "full"};
constexpr std::array<const char*, kNumAeadShapes> kShapeNames = {"single", "few", "train"};

// One stretch of time covers so many packets, and the middle one of so many stretches counts.
constexpr std::size_t kTimedPackets = 64;
constexpr std::size_t kTimedRounds = 7;

// Packets come out of the kernel, not out of the first cache: each stretch has memory that was last
// touched so many bytes ago, more than second-level caches hold.
constexpr std::size_t kTimedMemory = std::size_t{4} << 20;

// What a packet takes besides its text in a train: header and tag.
constexpr std::size_t kPacketOverhead = 16 + kAeadTagLen;

struct Candidate {
  AeadKind kind;
  std::unique_ptr<Aead> aead;
  std::array<Duration, kTimedRounds> times;

  Duration middle() {
    std::nth_element(times.begin(), times.begin() + kTimedRounds / 2, times.end());
    return times[kTimedRounds / 2] / static_cast<int>(kTimedPackets);
  }
};

// Times the candidates in turn, so that what disturbs one disturbs all.
class Timing {
 public:
  explicit Timing(const MonotonicReader& monotonic)
      : monotonic_(monotonic), memory_(kTimedMemory, 1), jobs_(kTimedPackets) {}

  void time(std::vector<Candidate>& candidates, std::uint32_t len, std::size_t batch) {
    for (std::size_t round = 0; round < kTimedRounds; ++round) {
      for (Candidate& candidate : candidates) {
        lay_out(len);
        candidate.times[round] = time_stretch(*candidate.aead, batch);
      }
    }
  }

 private:
  void lay_out(std::uint32_t len) {
    const std::size_t stride = len + kPacketOverhead;
    if (at_ + kTimedPackets * stride > memory_.size()) at_ = 0;
    for (std::size_t i = 0; i < kTimedPackets; ++i) {
      jobs_[i] = AeadJob{memory_.data() + at_ + i * stride + 16, len, false, i, &key_};
    }
    at_ += kTimedPackets * stride;
  }

  Duration time_stretch(Aead& aead, std::size_t batch) {
    const std::span<AeadJob> jobs(jobs_);
    const Duration start = monotonic_();
    for (std::size_t i = 0; i < kTimedPackets; i += batch) aead.seal(jobs.subspan(i, batch));
    for (std::size_t i = 0; i < kTimedPackets; i += batch) aead.open(jobs.subspan(i, batch));
    return monotonic_() - start;
  }

  const MonotonicReader& monotonic_;
  const TransportKey key_;
  std::vector<std::uint8_t> memory_;
  std::vector<AeadJob> jobs_;
  std::size_t at_ = 0;
};

void append(std::string& line, std::string_view separator, std::string_view text) {
  if (!line.empty()) line += separator;
  line += text;
}

std::optional<AeadTable> choose_named(AeadKind wanted, std::string& why) {
  const std::unique_ptr<Aead> aead = make_aead(wanted);
  const std::string name(to_string(wanted));
  if (!aead) {
    why = name + " is not available: this build or this processor lacks it";
    return std::nullopt;
  }
  if (!aead_agrees(*aead)) {
    why = name + " is refused: it disagrees with boringssl on known answers";
    return std::nullopt;
  }
  why = name + ": asked for";
  return aead_table_of(wanted);
}

std::vector<Candidate> find_candidates(std::string& refused) {
  std::vector<Candidate> candidates;
  for (const AeadKind kind : kBackends) {
    std::unique_ptr<Aead> aead = make_aead(kind);
    const std::string name(to_string(kind));
    if (!aead) {
      append(refused, ", ", name + " not available");
    } else if (kind != AeadKind::kBoringSsl && !aead_agrees(*aead)) {
      append(refused, ", ", name + " refused: disagrees with boringssl");
    } else {
      candidates.push_back({kind, std::move(aead), {}});
    }
  }
  return candidates;
}

// The fastest for one class. `line` gets "small train: lanes 140, boringssl 480", best first.
AeadKind fastest(std::vector<Candidate>& candidates, std::string& line) {
  std::vector<std::pair<Duration, AeadKind>> order;
  order.reserve(candidates.size());
  for (Candidate& candidate : candidates) order.emplace_back(candidate.middle(), candidate.kind);
  std::stable_sort(order.begin(), order.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  const char* separator = ": ";
  for (const auto& [time, kind] : order) {
    line += separator + std::string(to_string(kind)) + " " + std::to_string(time.count());
    separator = ", ";
  }
  return order.front().second;
}

}  // namespace

std::optional<AeadTable> choose_aead(AeadKind wanted, std::string& why,
                                     const MonotonicReader& monotonic) {
  if (wanted != AeadKind::kAuto) return choose_named(wanted, why);
  std::string refused;
  std::vector<Candidate> candidates = find_candidates(refused);
  if (candidates.empty()) {
    why = "no AEAD backend works: " + refused;
    return std::nullopt;
  }
  if (!monotonic) {
    why = std::string(to_string(candidates.front().kind)) +
          ": the first that agrees, for want of a clock to time with";
    return aead_table_of(candidates.front().kind);
  }
  AeadTable table{};
  std::string timings;
  Timing timing(monotonic);
  for (std::size_t size = 0; size < kNumAeadSizes; ++size) {
    for (std::size_t shape = 0; shape < kNumAeadShapes; ++shape) {
      timing.time(candidates, kTimedLens[size], kTimedBatches[shape]);
      append(timings, "; ", std::string(kSizeNames[size]) + " " + kShapeNames[shape]);
      table[size][shape] = fastest(candidates, timings);
    }
  }
  why = aead_table_name(table) + ": fastest by class, ns to seal and open (" + timings + "); " +
        (refused.empty() ? "nothing refused" : refused);
  return table;
}

}  // namespace hawser
