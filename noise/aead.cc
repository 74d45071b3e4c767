#include "noise/aead.h"

#include <algorithm>
#include <cassert>

#include "noise/aead_backends.h"
#include "noise/aead_lanes.h"

namespace hawser {
namespace {

constexpr std::uint32_t kMaxTestedLen = 2048;
constexpr std::size_t kBatch = 64;  // a longest train
constexpr std::size_t kSlack = 32;  // 16 bytes to vary the alignment, 16 that must stay untouched
constexpr std::size_t kSlotLen = kMaxTestedLen + kAeadTagLen + kSlack;
constexpr std::uint8_t kCanary = 0xa5;

// A small generator (splitmix64), so that the trial is the same each time.
std::uint64_t next_value(std::uint64_t& state) {
  state += 0x9e3779b97f4a7c15U;
  std::uint64_t value = state;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9U;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebU;
  return value ^ (value >> 31);
}

// AgreementTrial runs one batch of consecutive lengths, each with its own counter and alignment,
// through both.
class AgreementTrial {
 public:
  AgreementTrial(Aead& reference, Aead& candidate) : reference_(reference), candidate_(candidate) {}

  // Whose keys the packets of a batch have: a backend may do otherwise with a train's.
  enum class Keys { kOneEach, kOne };

  bool run(Keys keys, std::uint32_t first_len, std::size_t num) {
    prepare(keys, first_len, num);
    reference_.seal(std::span(expected_jobs_).first(num));
    candidate_.seal(std::span(jobs_).first(num));
    if (!all_ok(num) || expected_ != actual_) return false;

    // Spoil one bit of the tag or of the text of each second message.
    for (std::size_t i = 0; i < num; i += 2) spoil(jobs_[i]);
    candidate_.open(std::span(jobs_).first(num));
    for (std::size_t i = 0; i < num; ++i) {
      if (jobs_[i].ok != (i % 2 == 1)) return false;
    }

    actual_ = expected_;
    candidate_.open(std::span(jobs_).first(num));
    return all_ok(num) && actual_ == plain_with_tags(num);
  }

 private:
  void prepare(Keys keys, std::uint32_t first_len, std::size_t num) {
    plain_.assign(kBatch * kSlotLen, kCanary);
    for (std::size_t i = 0; i < num; ++i) {
      for (std::uint8_t& byte : keys_[i].mutable_bytes()) {
        byte = static_cast<std::uint8_t>(next_value(seed_));
      }
      const std::size_t offset = i * kSlotLen + next_value(seed_) % (kSlack / 2);
      const auto len = static_cast<std::uint32_t>(first_len + i);
      for (std::uint32_t k = 0; k < len; ++k) {
        plain_[offset + k] = static_cast<std::uint8_t>(next_value(seed_));
      }
      offsets_[i] = offset;
      jobs_[i] =
          AeadJob{nullptr, len, false, next_value(seed_), &keys_[keys == Keys::kOne ? 0 : i]};
    }
    expected_ = plain_;
    actual_ = plain_;
    for (std::size_t i = 0; i < num; ++i) {
      expected_jobs_[i] = jobs_[i];
      expected_jobs_[i].data = expected_.data() + offsets_[i];
      jobs_[i].data = actual_.data() + offsets_[i];
    }
  }

  void spoil(const AeadJob& job) {
    const std::size_t bit = next_value(seed_) % ((job.len + kAeadTagLen) * 8);
    job.data[bit / 8] = static_cast<std::uint8_t>(job.data[bit / 8] ^ (1U << (bit % 8)));
  }

  bool all_ok(std::size_t num) const {
    return std::all_of(jobs_.begin(), jobs_.begin() + static_cast<std::ptrdiff_t>(num),
                       [](const AeadJob& job) { return job.ok; });
  }

  // What opening leaves: the plaintext, with the tags where they were.
  std::vector<std::uint8_t> plain_with_tags(std::size_t num) const {
    std::vector<std::uint8_t> wanted = plain_;
    for (std::size_t i = 0; i < num; ++i) {
      const std::uint8_t* tag = expected_.data() + offsets_[i] + jobs_[i].len;
      std::copy_n(tag, kAeadTagLen, wanted.data() + offsets_[i] + jobs_[i].len);
    }
    return wanted;
  }

  Aead& reference_;
  Aead& candidate_;
  std::uint64_t seed_ = 1;
  std::array<TransportKey, kBatch> keys_;
  std::array<std::size_t, kBatch> offsets_{};
  std::array<AeadJob, kBatch> jobs_{};
  std::array<AeadJob, kBatch> expected_jobs_{};
  std::vector<std::uint8_t> plain_;
  std::vector<std::uint8_t> expected_;
  std::vector<std::uint8_t> actual_;
};

}  // namespace

std::string_view to_string(AeadKind kind) {
  switch (kind) {
    case AeadKind::kAuto:
      return "auto";
    case AeadKind::kBoringSsl:
      return "boringssl";
    case AeadKind::kIpsecMb:
      return "ipsec-mb";
    case AeadKind::kLanes:
      return "lanes";
  }
  return "unknown";
}

std::unique_ptr<Aead> make_aead(AeadKind kind) {
  assert(kind != AeadKind::kAuto);
  switch (kind) {
    case AeadKind::kBoringSsl:
      return noise_internal::make_boringssl_aead();
    case AeadKind::kIpsecMb:
#ifdef HAWSER_HAVE_IPSEC_MB
      return noise_internal::make_ipsec_mb_aead();
#else
      return nullptr;
#endif
    case AeadKind::kLanes:
      return noise_internal::make_lanes_aead(noise_internal::best_lanes());
    case AeadKind::kAuto:
      break;
  }
  return nullptr;
}

bool aead_agrees(Aead& candidate) {
  const std::unique_ptr<Aead> reference = noise_internal::make_boringssl_aead();
  AgreementTrial trial(*reference, candidate);
  const auto all_lens = [&](AgreementTrial::Keys keys, auto next_num) {
    for (std::uint32_t len = 0; len <= kMaxTestedLen;) {
      const std::size_t num = std::min<std::size_t>(next_num(), kMaxTestedLen + 1 - len);
      if (!trial.run(keys, len, num)) return false;
      len += static_cast<std::uint32_t>(num);
    }
    return true;
  };
  std::size_t last = 0;
  return all_lens(AgreementTrial::Keys::kOneEach, [] { return kBatch / 2; }) &&
         // Trains of 1, 2, 3, ... 64 packets.
         all_lens(AgreementTrial::Keys::kOne, [&last] { return last = last % kBatch + 1; });
}

}  // namespace hawser
