#include "noise/aead_choice.h"

#include <algorithm>
#include <array>
#include <vector>

namespace hawser {
namespace {

constexpr std::array kBackends = {AeadKind::kBoringSsl, AeadKind::kIpsecMb};

// What is timed: a train of full packets (MTU 1,420, padded), often enough to get past the first
// touches of code and data, and the best of it, because everything else only adds.
constexpr std::uint32_t kTimedLen = 1424;
constexpr std::size_t kTimedTrain = 32;
constexpr int kTimedRounds = 24;

// Time for one packet, sealed and opened.
Duration time_backend(Aead& aead, const MonotonicReader& monotonic) {
  const TransportKey key;
  std::vector<std::uint8_t> packets(kTimedTrain * (kTimedLen + kAeadTagLen));
  std::array<AeadJob, kTimedTrain> jobs;
  for (std::size_t i = 0; i < kTimedTrain; ++i) {
    jobs[i] = AeadJob{packets.data() + i * (kTimedLen + kAeadTagLen), kTimedLen, false, i, &key};
  }
  Duration best = Duration::max();
  for (int round = 0; round < kTimedRounds; ++round) {
    const Duration start = monotonic();
    aead.seal(jobs);
    aead.open(jobs);
    best = std::min(best, monotonic() - start);
  }
  return best / static_cast<int>(kTimedTrain);
}

void append(std::string& line, std::string_view separator, std::string_view text) {
  if (!line.empty()) line += separator;
  line += text;
}

std::unique_ptr<Aead> choose_named(AeadKind wanted, std::string& why) {
  std::unique_ptr<Aead> aead = make_aead(wanted);
  const std::string name(to_string(wanted));
  if (!aead) {
    why = name + " is not available: this build or this processor lacks it";
    return nullptr;
  }
  if (!aead_agrees(*aead)) {
    why = name + " is refused: it disagrees with boringssl on known answers";
    return nullptr;
  }
  why = name + ": asked for";
  return aead;
}

}  // namespace

std::unique_ptr<Aead> choose_aead(AeadKind wanted, std::string& why,
                                  const MonotonicReader& monotonic) {
  if (wanted != AeadKind::kAuto) return choose_named(wanted, why);
  std::unique_ptr<Aead> fastest;
  Duration least = Duration::max();
  std::string timings;
  std::string refused;
  for (const AeadKind kind : kBackends) {
    std::unique_ptr<Aead> aead = make_aead(kind);
    if (!aead) {
      append(refused, ", ", std::string(to_string(kind)) + " not available");
      continue;
    }
    if (!aead_agrees(*aead)) {
      append(refused, ", ", std::string(to_string(kind)) + " refused: disagrees with boringssl");
      continue;
    }
    if (!monotonic) {
      why = std::string(aead->name()) + ": the first that agrees, for want of a clock to time with";
      return aead;
    }
    const Duration taken = time_backend(*aead, monotonic);
    append(timings, ", ", std::string(aead->name()) + " " + std::to_string(taken.count()) + " ns");
    if (taken < least) {
      least = taken;
      fastest = std::move(aead);
    }
  }
  if (!fastest) {
    why = "no AEAD backend works: " + refused;
    return nullptr;
  }
  why = std::string(fastest->name()) + ": fastest at sealing and opening 1,424 bytes (" + timings +
        ")";
  append(why, "; ", refused.empty() ? "nothing refused" : refused);
  return fastest;
}

AeadKind aead_kind_of(const Aead& aead) {
  for (const AeadKind kind : kBackends) {
    if (aead.name() == to_string(kind)) return kind;
  }
  return AeadKind::kAuto;
}

}  // namespace hawser
