#include "noise/aead_lanes.h"

#include <nlohmann/json.hpp>
#include <sodium.h>

#include <algorithm>
#include <fstream>
#include <ostream>
#include <string>

#include "base/wire.h"
#include "support.h"

namespace hawser::test {
namespace {

using noise_internal::kLanesTile;
using noise_internal::LanesForm;
using noise_internal::LanesScratch;

struct NamedForm {
  const char* name;
  const LanesForm* form;  // null: not on this processor

  friend void PrintTo(const NamedForm& form, std::ostream* out) { *out << form.name; }
};

// Packets in one buffer, 16 bytes and `gap` between them, which must stay as they are.
class Train {
 public:
  Train(std::span<const std::uint32_t> lens, std::span<const std::uint64_t> counters,
        std::size_t gap, std::uint64_t seed)
      : random_(seed) {
    random_.fill(key_.mutable_bytes());
    std::size_t total = 0;
    for (const std::uint32_t len : lens) total += gap + len + kAeadTagLen;
    plain_.resize(total + gap);
    random_.fill(plain_);
    bytes_ = plain_;
    std::size_t at = 0;
    for (std::size_t i = 0; i < lens.size(); ++i) {
      at += gap;
      jobs_.push_back({bytes_.data() + at, lens[i], false, counters[i], &key_});
      at += lens[i] + kAeadTagLen;
    }
  }

  std::vector<AeadJob>& jobs() { return jobs_; }
  const std::vector<std::uint8_t>& bytes() const { return bytes_; }
  const TransportKey& key() const { return key_; }

  // What another implementation makes of it; bytes() are as before.
  std::vector<std::uint8_t> sealed_by(Aead& other) {
    load(plain_);
    other.seal(jobs_);
    return take_sealed();
  }
  std::vector<std::uint8_t> sealed_by_libsodium() {
    load(plain_);
    for (const AeadJob& job : jobs_) {
      std::array<std::uint8_t, 12> nonce{};
      store_le64(nonce.data() + 4, job.counter);
      crypto_aead_chacha20poly1305_ietf_encrypt(job.data, nullptr, job.data, job.len, nullptr, 0,
                                                nullptr, nonce.data(), key_.data());
    }
    return take_sealed();
  }
  bool seal(Aead& aead) {
    load(plain_);
    for (AeadJob& job : jobs_) job.ok = false;
    aead.seal(jobs_);
    return all_ok();
  }
  void load(const std::vector<std::uint8_t>& bytes) {
    std::copy(bytes.begin(), bytes.end(), bytes_.begin());  // the jobs point into it
  }
  bool all_ok() const {
    return std::all_of(jobs_.begin(), jobs_.end(), [](const AeadJob& job) { return job.ok; });
  }
  // After opening: texts as they were, everything else as in `sealed`.
  bool is_opened(std::vector<std::uint8_t> sealed) const {
    for (const AeadJob& job : jobs_) {
      const auto at = job.data - bytes_.data();
      std::copy_n(plain_.begin() + at, job.len, sealed.begin() + at);
    }
    return bytes_ == sealed;
  }

 private:
  std::vector<std::uint8_t> take_sealed() {
    std::vector<std::uint8_t> sealed = bytes_;
    load(plain_);
    return sealed;
  }

  SeededRandom random_;
  TransportKey key_;
  std::vector<std::uint8_t> plain_;
  std::vector<std::uint8_t> bytes_;
  std::vector<AeadJob> jobs_;
};

class AeadLanes : public ::testing::TestWithParam<NamedForm> {
 protected:
  void SetUp() override {
    lanes_ = noise_internal::make_lanes_aead(GetParam().form);
    if (!lanes_) GTEST_SKIP() << "not on this processor";
    for (const AeadKind kind : {AeadKind::kBoringSsl, AeadKind::kIpsecMb}) {
      if (auto library = make_aead(kind)) libraries_.push_back(std::move(library));
    }
  }

  // Seals as all libraries do, and opens again.
  void expect_agreement(std::span<const std::uint32_t> lens,
                        std::span<const std::uint64_t> counters, std::size_t gap,
                        std::uint64_t seed) {
    Train train(lens, counters, gap, seed);
    const std::vector<std::uint8_t> expected = train.sealed_by_libsodium();
    for (const auto& library : libraries_) {
      ASSERT_EQ(train.sealed_by(*library), expected) << library->name();
    }
    ASSERT_TRUE(train.seal(*lanes_));
    ASSERT_EQ(train.bytes(), expected);
    for (AeadJob& job : train.jobs()) job.ok = false;
    lanes_->open(train.jobs());
    ASSERT_TRUE(train.all_ok());
    ASSERT_TRUE(train.is_opened(expected));
  }

  std::unique_ptr<Aead> lanes_;
  std::vector<std::unique_ptr<Aead>> libraries_;
  SeededRandom random_{7};
};

std::vector<std::uint64_t> counters_from(std::uint64_t first, std::size_t num) {
  std::vector<std::uint64_t> counters(num);
  for (std::size_t i = 0; i < num; ++i) counters[i] = first + i;
  return counters;
}

TEST_P(AeadLanes, SealsEveryLengthAsAllLibrariesDo) {
  // Trains of 7 and of 64, so that neighbours differ in length and lanes are and are not full.
  for (const std::size_t num : {7U, 64U}) {
    for (std::uint32_t first = 0; first <= 2048; first += static_cast<std::uint32_t>(num)) {
      std::vector<std::uint32_t> lens;
      for (std::uint32_t len = first; len <= 2048 && lens.size() < num; ++len) lens.push_back(len);
      ASSERT_NO_FATAL_FAILURE(
          expect_agreement(lens, counters_from(random_.u64(), lens.size()), 3, first))
          << "from " << first;
    }
  }
}

TEST_P(AeadLanes, EqualLengthsAgreeInTrainsOfEverySize) {
  for (std::size_t num = 1; num <= 65; ++num) {
    for (const std::uint32_t len : {0U, 16U, 48U, 64U, 128U, 1424U}) {
      const std::vector<std::uint32_t> lens(num, len);
      ASSERT_NO_FATAL_FAILURE(expect_agreement(lens, counters_from(num, num), 16, len))
          << num << " of " << len;
    }
  }
}

TEST_P(AeadLanes, UnequalLengthsAgreeInTrainsOfEverySize) {
  for (std::size_t num = 1; num <= 64; ++num) {
    for (const std::uint32_t longest : {70U, 500U, 2048U}) {
      std::vector<std::uint32_t> lens(num);
      std::vector<std::uint64_t> counters(num);
      for (std::uint32_t& len : lens)
        len = static_cast<std::uint32_t>(random_.u64()) % (longest + 1);
      for (std::uint64_t& counter : counters) counter = random_.u64();
      ASSERT_NO_FATAL_FAILURE(expect_agreement(lens, counters, random_.u64() % 40, num)) << num;
    }
  }
}

TEST_P(AeadLanes, LongPacketsAgree) {
  const std::vector<std::uint32_t> lens = {65'535, 9000, 1, 65'519, 16'384, 0, 4096};
  expect_agreement(lens, counters_from(5, lens.size()), 1, 1);
}

TEST_P(AeadLanes, EachAlignmentAgrees) {
  for (std::size_t gap = 0; gap < 64; ++gap) {
    const std::vector<std::uint32_t> lens = {200, 64, 63, 1, 129, 33, 0, 256, 17};
    ASSERT_NO_FATAL_FAILURE(expect_agreement(lens, counters_from(gap, lens.size()), gap, gap))
        << gap;
  }
}

TEST_P(AeadLanes, CountersAroundTheirEdgesAgreeSideBySide) {
  constexpr std::uint64_t kTop32 = std::uint64_t{1} << 32;
  const std::vector<std::uint64_t> edges = {0,
                                            1,
                                            kTop32 - 2,
                                            kTop32 - 1,
                                            kTop32,
                                            kTop32 + 1,
                                            2 * kTop32,
                                            kTop32 / 2,
                                            ~kTop32,
                                            ~kTop32 + 1,
                                            ~std::uint64_t{0} - 1,
                                            ~std::uint64_t{0}};
  for (const std::uint64_t a : edges) {
    for (const std::uint64_t b : edges) {
      const std::vector<std::uint32_t> lens = {100, 100};
      const std::vector<std::uint64_t> counters = {a, b};
      ASSERT_NO_FATAL_FAILURE(expect_agreement(lens, counters, 16, 1)) << a << " " << b;
    }
  }
  ASSERT_NO_FATAL_FAILURE(
      expect_agreement(std::vector<std::uint32_t>(edges.size(), 300), edges, 16, 2));
}

TEST_P(AeadLanes, ABadTagSpoilsItsOwnPacketOnly) {
  for (std::size_t num = 1; num <= 64; ++num) {
    std::vector<std::uint32_t> lens(num);
    for (std::uint32_t& len : lens) len = static_cast<std::uint32_t>(random_.u64()) % 200;
    Train train(lens, counters_from(num, num), 4, num);
    ASSERT_TRUE(train.seal(*lanes_));
    const std::vector<std::uint8_t> sealed = train.bytes();
    for (std::size_t bad = 0; bad < num; ++bad) {
      train.load(sealed);
      AeadJob& job = train.jobs()[bad];
      const std::uint64_t bit = random_.u64() % (8 * kAeadTagLen);
      job.data[job.len + bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
      const std::vector<std::uint8_t> forged(job.data, job.data + job.len);
      lanes_->open(train.jobs());
      for (std::size_t i = 0; i < num; ++i) ASSERT_EQ(train.jobs()[i].ok, i != bad) << num;
      // What does not verify is not decrypted.
      ASSERT_TRUE(std::equal(forged.begin(), forged.end(), job.data));
    }
  }
}

TEST_P(AeadLanes, RunsOfDifferentKeysInOneBatchStayApart) {
  std::vector<TransportKey> keys(5);
  for (TransportKey& key : keys) random_.fill(key.mutable_bytes());
  constexpr std::size_t kStride = 320;
  std::vector<std::uint8_t> bytes(200 * kStride);
  random_.fill(bytes);
  std::vector<AeadJob> jobs;
  for (std::size_t i = 0; i < 200; ++i) {
    const std::size_t which = i < 100 ? i / 33 : i % keys.size();
    jobs.push_back(
        {bytes.data() + i * kStride, static_cast<std::uint32_t>(i), false, i, &keys[which]});
  }
  const std::vector<std::uint8_t> plain = bytes;
  libraries_[0]->seal(jobs);
  const std::vector<std::uint8_t> expected = bytes;
  std::copy(plain.begin(), plain.end(), bytes.begin());
  lanes_->seal(jobs);
  EXPECT_EQ(bytes, expected);
  lanes_->open(jobs);
  for (const AeadJob& job : jobs) EXPECT_TRUE(job.ok);
}

// A key that changes where it lies must not be taken for the one that lay there before.
TEST_P(AeadLanes, NothingIsKeptByTheAddressOfAKey) {
  const std::vector<std::uint32_t> lens(3, 100);
  Train train(lens, counters_from(0, 3), 16, 1);
  ASSERT_TRUE(train.seal(*lanes_));
  const std::vector<std::uint8_t> first = train.bytes();
  auto& key = const_cast<TransportKey&>(train.key());
  key.mutable_bytes()[0] ^= 1;
  const std::vector<std::uint8_t> expected = train.sealed_by(*libraries_[0]);
  ASSERT_TRUE(train.seal(*lanes_));
  EXPECT_NE(train.bytes(), first);
  EXPECT_EQ(train.bytes(), expected);
}

// RFC 8439 A.1: with a zero nonce these are key-stream blocks 0 and 1. (The vectors of the AEAD
// itself have associated data, which transport packets do not.)
TEST_P(AeadLanes, TheKeyStreamIsThatOfRfc8439) {
  const TransportKey zero;
  std::array<std::uint8_t, 128 + kAeadTagLen> text{};
  AeadJob job{text.data(), 128, false, 0, &zero};
  lanes_->seal({&job, 1});
  EXPECT_EQ(hex({text.data(), 64}),
            "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed"
            "29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f");
  // A.1, test vector 3: block 1 of the key that ends in 1.
  TransportKey one;
  one.mutable_bytes()[31] = 1;
  text.fill(0);
  job.key = &one;
  lanes_->seal({&job, 1});
  EXPECT_EQ(hex({text.data(), 64}),
            "3aeb5224ecf849929b9d828db1ced4dd832025e8018b8160b82284f3c949aa5a"
            "8eca00bbb4a73bdad192b5c42f73f2fd4e273644c8b36125a64addeb006c13a0");
}

// tests/vectors/poly1305_corners.py says what these are.
TEST_P(AeadLanes, Poly1305AgreesWithBigIntegersAtItsEdges) {
  std::ifstream file(POLY1305_CORNERS);
  const nlohmann::json cases = nlohmann::json::parse(file);
  ASSERT_GT(cases.size(), 500U);
  for (const std::size_t together : {std::size_t{1}, std::size_t{3}, kLanesTile}) {
    LanesScratch scratch{};
    for (std::size_t first = 0; first < cases.size(); first += together) {
      const std::size_t num = std::min(together, cases.size() - first);
      std::vector<std::vector<std::uint8_t>> texts(num);
      std::vector<AeadJob> jobs(num);
      std::vector<AeadJob*> pointers(num);
      for (std::size_t i = 0; i < num; ++i) {
        const auto& one = cases[first + i];
        texts[i] = unhex(one["text"].get<std::string>());
        texts[i].resize(texts[i].size() + 1);  // so that an empty one has an address
        const auto len = static_cast<std::uint32_t>(texts[i].size() - 1);
        jobs[i] = {texts[i].data(), len, false, 0, nullptr};
        pointers[i] = &jobs[i];
        const auto r = unhex(one["r"].get<std::string>());
        const auto s = unhex(one["s"].get<std::string>());
        std::copy(r.begin(), r.end(), scratch.one_time[i].begin());
        std::copy(s.begin(), s.end(), scratch.one_time[i].begin() + 16);
      }
      GetParam().form->authenticate(scratch, pointers);
      for (std::size_t i = 0; i < num; ++i) {
        ASSERT_EQ(hex(scratch.tags[i]), cases[first + i]["tag"].get<std::string>())
            << cases[first + i]["name"] << ", s " << cases[first + i]["s"];
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Forms, AeadLanes,
    ::testing::Values(NamedForm{"Portable16", &noise_internal::portable_lanes_16()},
                      NamedForm{"Portable8", &noise_internal::portable_lanes_8()},
                      NamedForm{"Avx2", noise_internal::avx2_lanes()},
                      NamedForm{"Avx512", noise_internal::avx512_lanes()}),
    [](const ::testing::TestParamInfo<NamedForm>& form) { return std::string(form.param.name); });

}  // namespace
}  // namespace hawser::test
