#include "noise/aead.h"

#include <gmock/gmock.h>
#include <sodium.h>

#include <atomic>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>

#include "base/wire.h"
#include "noise/aead_choice.h"
#include "support.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAWSER_TEST_OWN_MALLOC 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HAWSER_TEST_OWN_MALLOC 0
#endif
#endif
#ifndef HAWSER_TEST_OWN_MALLOC
#define HAWSER_TEST_OWN_MALLOC 1
#endif

#if HAWSER_TEST_OWN_MALLOC
namespace {
std::atomic<std::size_t> num_allocations{0};
}  // namespace
// Counts; the C library's allocator does the work. operator new comes through here as well.
extern "C" void* __libc_malloc(std::size_t size);  // NOLINT: the C library's name
extern "C" void* malloc(std::size_t size) {
  num_allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_malloc(size);
}
#endif

namespace hawser::test {
namespace {

constexpr std::size_t kTagLen = kAeadTagLen;

struct Packet {
  std::vector<std::uint8_t> bytes;  // text and tag
  TransportKey key;
  AeadJob job;
};

std::unique_ptr<Packet> make_packet(std::size_t len, SeededRandom& random) {
  auto packet = std::make_unique<Packet>();
  packet->bytes.resize(len + kTagLen);
  random.fill(packet->bytes);
  random.fill(packet->key.mutable_bytes());
  packet->job = AeadJob{packet->bytes.data(), static_cast<std::uint32_t>(len), false, random.u64(),
                        &packet->key};
  return packet;
}

std::vector<std::uint8_t> seal_with_libsodium(const Packet& packet) {
  std::array<std::uint8_t, 12> nonce{};
  store_le64(nonce.data() + 4, packet.job.counter);
  std::vector<std::uint8_t> out(packet.bytes.size());
  crypto_aead_chacha20poly1305_ietf_encrypt(out.data(), nullptr, packet.bytes.data(),
                                            packet.job.len, nullptr, 0, nullptr, nonce.data(),
                                            packet.key.data());
  return out;
}

class AeadBackend : public ::testing::TestWithParam<AeadKind> {
 protected:
  void SetUp() override {
    aead_ = make_aead(GetParam());
    if (!aead_) GTEST_SKIP() << to_string(GetParam()) << " is not available here";
  }
  void seal(AeadJob& job) { aead_->seal({&job, 1}); }
  void open(AeadJob& job) { aead_->open({&job, 1}); }

  std::unique_ptr<Aead> aead_;
  SeededRandom random_{1};
};

TEST_P(AeadBackend, SealsEveryLengthAsLibsodiumDoesAndOpensItAgain) {
  for (std::size_t len = 0; len <= 2048; ++len) {
    const auto packet = make_packet(len, random_);
    const std::vector<std::uint8_t> plaintext(packet->bytes.begin(),
                                              packet->bytes.begin() + packet->job.len);
    const std::vector<std::uint8_t> expected = seal_with_libsodium(*packet);
    seal(packet->job);
    ASSERT_TRUE(packet->job.ok) << len;
    ASSERT_EQ(packet->bytes, expected) << len;
    packet->job.ok = false;
    open(packet->job);
    ASSERT_TRUE(packet->job.ok) << len;
    packet->bytes.resize(len);
    ASSERT_EQ(packet->bytes, plaintext) << len;
  }
}

TEST_P(AeadBackend, LongPacketsWorkToo) {
  for (const std::size_t len : {4096U, 9000U, 16384U, 65'535U}) {
    const auto packet = make_packet(len, random_);
    const std::vector<std::uint8_t> expected = seal_with_libsodium(*packet);
    seal(packet->job);
    EXPECT_EQ(packet->bytes, expected) << len;
    open(packet->job);
    EXPECT_TRUE(packet->job.ok);
  }
}

TEST_P(AeadBackend, EveryWrongTagIsRefused) {
  for (const std::size_t len : {0U, 1U, 16U, 63U, 64U, 65U, 1424U}) {
    for (std::size_t bit = 0; bit < kTagLen * 8; ++bit) {
      const auto packet = make_packet(len, random_);
      seal(packet->job);
      packet->bytes[len + bit / 8] ^= static_cast<std::uint8_t>(1 << (bit % 8));
      packet->job.ok = true;
      open(packet->job);
      ASSERT_FALSE(packet->job.ok) << len << " " << bit;
    }
  }
}

TEST_P(AeadBackend, WrongTextCounterAndKeyAreRefusedAtEveryLength) {
  for (std::size_t len = 1; len <= 2048; len += 3) {
    const auto packet = make_packet(len, random_);
    seal(packet->job);
    const std::vector<std::uint8_t> sealed = packet->bytes;
    packet->bytes[random_.u64() % len] ^= 0x20;
    open(packet->job);
    ASSERT_FALSE(packet->job.ok) << len;
    packet->bytes = sealed;
    packet->job.counter ^= std::uint64_t{1} << (random_.u64() % 64);
    open(packet->job);
    ASSERT_FALSE(packet->job.ok) << len;
  }
  const auto packet = make_packet(100, random_);
  seal(packet->job);
  const TransportKey other;
  packet->job.key = &other;
  open(packet->job);
  EXPECT_FALSE(packet->job.ok);
}

TEST_P(AeadBackend, BatchesOfAnySizeMixLengthsKeysAndForgeries) {
  for (const std::size_t num : {0U, 1U, 2U, 63U, 64U, 65U, 128U, 300U}) {
    std::vector<std::unique_ptr<Packet>> packets;
    std::vector<AeadJob> jobs;
    std::vector<std::vector<std::uint8_t>> expected;
    for (std::size_t i = 0; i < num; ++i) {
      packets.push_back(make_packet(random_.u64() % 1500, random_));
      expected.push_back(seal_with_libsodium(*packets[i]));
      jobs.push_back(packets[i]->job);
    }
    aead_->seal(jobs);
    for (std::size_t i = 0; i < num; ++i) {
      EXPECT_TRUE(jobs[i].ok);
      EXPECT_EQ(packets[i]->bytes, expected[i]);
      if (i % 3 == 0) packets[i]->bytes.back() ^= 1;
    }
    aead_->open(jobs);
    for (std::size_t i = 0; i < num; ++i) EXPECT_EQ(jobs[i].ok, i % 3 != 0) << i;
  }
}

TEST_P(AeadBackend, TrainsUnderOneKeyUseEachCounter) {
  const auto first = make_packet(200, random_);
  std::vector<std::uint8_t> buffer(40 * (200 + kTagLen));
  std::vector<AeadJob> jobs;
  for (std::size_t i = 0; i < 40; ++i) {
    jobs.push_back({buffer.data() + i * (200 + kTagLen), 200, false, 7 + i, &first->key});
  }
  aead_->seal(jobs);
  for (std::size_t i = 1; i < 40; ++i) {
    EXPECT_NE(hex({jobs[i].data, 200}), hex({jobs[i - 1].data, 200}));
  }
  aead_->open(jobs);
  for (const AeadJob& job : jobs) EXPECT_TRUE(job.ok);
  EXPECT_EQ(std::count(jobs[9].data, jobs[9].data + 200, 0), 200);
}

TEST_P(AeadBackend, AgreesWithBoringSsl) { EXPECT_TRUE(aead_agrees(*aead_)); }

#if HAWSER_TEST_OWN_MALLOC
TEST_P(AeadBackend, BatchesAllocateNothing) {
  std::vector<std::unique_ptr<Packet>> packets;
  std::vector<AeadJob> jobs;
  for (std::size_t i = 0; i < 100; ++i) {
    packets.push_back(make_packet(1424, random_));
    jobs.push_back(packets[i]->job);
  }
  // The first forgery of a thread may set up its error queue.
  aead_->open(jobs);
  const std::size_t before = num_allocations.load();
  EXPECT_GT(before, 100U) << "the counter does not count";
  aead_->seal(jobs);
  aead_->open(jobs);
  aead_->open(jobs);  // all forged now
  EXPECT_EQ(num_allocations.load(), before);
  EXPECT_FALSE(jobs[0].ok);
}
#endif

std::string backend_name(const ::testing::TestParamInfo<AeadKind>& backend) {
  switch (backend.param) {
    case AeadKind::kBoringSsl:
      return "BoringSsl";
    case AeadKind::kIpsecMb:
      return "IpsecMb";
    default:
      return "Lanes";
  }
}
INSTANTIATE_TEST_SUITE_P(All, AeadBackend,
                         ::testing::Values(AeadKind::kBoringSsl, AeadKind::kIpsecMb,
                                           AeadKind::kLanes),
                         backend_name);

TEST(AeadNames, AreThoseOfTheCommandLine) {
  EXPECT_EQ(to_string(AeadKind::kAuto), "auto");
  EXPECT_EQ(to_string(AeadKind::kBoringSsl), "boringssl");
  EXPECT_EQ(to_string(AeadKind::kIpsecMb), "ipsec-mb");
  EXPECT_EQ(to_string(AeadKind::kLanes), "lanes");
  EXPECT_EQ(make_aead(AeadKind::kBoringSsl)->name(), "boringssl");
}

// A backend that is right but for one defect.
class DefectiveAead final : public Aead {
 public:
  using Defect = std::function<void(AeadJob&)>;
  DefectiveAead(Defect after_seal, Defect before_open, Defect after_open)
      : after_seal_(std::move(after_seal)),
        before_open_(std::move(before_open)),
        after_open_(std::move(after_open)) {}
  std::string_view name() const override { return "defective"; }
  void seal(std::span<AeadJob> jobs) override {
    good_->seal(jobs);
    if (after_seal_) std::for_each(jobs.begin(), jobs.end(), after_seal_);
  }
  void open(std::span<AeadJob> jobs) override {
    if (before_open_) std::for_each(jobs.begin(), jobs.end(), before_open_);
    good_->open(jobs);
    if (after_open_) std::for_each(jobs.begin(), jobs.end(), after_open_);
  }

 private:
  std::unique_ptr<Aead> good_ = make_aead(AeadKind::kBoringSsl);
  Defect after_seal_, before_open_, after_open_;
};

TEST(AeadAgrees, TakesABackendWithoutDefect) {
  DefectiveAead fine(nullptr, nullptr, nullptr);
  EXPECT_TRUE(aead_agrees(fine));
}

// Right for packets with a key each, wrong for the third of a train.
class WrongForTrains final : public Aead {
 public:
  std::string_view name() const override { return "wrong-for-trains"; }
  void seal(std::span<AeadJob> jobs) override {
    good_->seal(jobs);
    if (jobs.size() > 2 && jobs[2].key == jobs[1].key) jobs[2].data[jobs[2].len] ^= 1;
  }
  void open(std::span<AeadJob> jobs) override { good_->open(jobs); }

 private:
  std::unique_ptr<Aead> good_ = make_aead(AeadKind::kBoringSsl);
};

TEST(AeadAgrees, TriesTrainsUnderOneKey) {
  WrongForTrains wrong;
  EXPECT_FALSE(aead_agrees(wrong));
}

TEST(AeadAgrees, RefusesEachKindOfDefect) {
  const auto flip_text_at_1537 = [](AeadJob& job) {
    if (job.len == 1537) job.data[1536] ^= 1;
  };
  const auto flip_tag_at_zero_length = [](AeadJob& job) {
    if (job.len == 0) job.data[15] ^= 1;
  };
  const auto write_beyond = [](AeadJob& job) { job.data[job.len + kTagLen] = 0; };
  const auto fail_at_2048 = [](AeadJob& job) { job.ok = job.ok && job.len != 2048; };
  const auto take_anything = [](AeadJob& job) { job.ok = true; };
  const auto short_counter = [](AeadJob& job) { job.counter &= 0xffffffffU; };
  const auto touch_tag = [](AeadJob& job) {
    if (job.ok) job.data[job.len] ^= 1;
  };
  for (const auto& defect : std::vector<DefectiveAead::Defect>{
           flip_text_at_1537, flip_tag_at_zero_length, write_beyond, fail_at_2048}) {
    DefectiveAead broken(defect, nullptr, nullptr);
    EXPECT_FALSE(aead_agrees(broken));
  }
  for (const auto& defect :
       std::vector<DefectiveAead::Defect>{take_anything, fail_at_2048, write_beyond, touch_tag}) {
    DefectiveAead broken(nullptr, nullptr, defect);
    EXPECT_FALSE(aead_agrees(broken));
  }
  DefectiveAead broken(nullptr, short_counter, nullptr);
  EXPECT_FALSE(aead_agrees(broken));
}

// A clock on which the `fast`-th backend to be timed takes less than the others, except for single
// packets, where the `fast_single`-th does.
MonotonicReader clock_for(std::size_t num_backends, std::size_t fast, std::size_t fast_single) {
  constexpr std::size_t kRounds = 7;
  constexpr std::size_t kShapes = 3;
  return [=, reading = Duration(0), num = std::size_t{0}]() mutable {
    const bool ends = num % 2 == 1;
    const std::size_t stretch = num++ / 2;
    const std::size_t shape = stretch / (num_backends * kRounds) % kShapes;
    const std::size_t fastest = shape == 0 ? fast_single : fast;
    if (ends) reading += microseconds(stretch % num_backends == fastest ? 20 : 50);
    return reading;
  };
}

std::vector<AeadKind> backends_here() {
  std::vector<AeadKind> kinds;
  for (const AeadKind kind : {AeadKind::kBoringSsl, AeadKind::kIpsecMb, AeadKind::kLanes}) {
    if (make_aead(kind)) kinds.push_back(kind);
  }
  return kinds;
}

TEST(ChooseAead, TakesTheFastestThatAgrees) {
  const std::vector<AeadKind> kinds = backends_here();
  for (std::size_t fast = 0; fast < kinds.size(); ++fast) {
    std::string why;
    const auto chosen = choose_aead(AeadKind::kAuto, why, clock_for(kinds.size(), fast, fast));
    ASSERT_TRUE(chosen);
    EXPECT_EQ(*chosen, aead_table_of(kinds[fast])) << why;
    EXPECT_EQ(make_aead(*chosen)->name(), to_string(kinds[fast]));
    EXPECT_THAT(why, testing::StartsWith(std::string(to_string(kinds[fast])) + ": fastest"));
    EXPECT_EQ(why.find('\n'), std::string::npos);
    if (kinds.size() < 3) {
      EXPECT_THAT(why, testing::HasSubstr("not available"));
    }
  }
}

TEST(ChooseAead, MayTakeAnotherForSinglePacketsThanForTrains) {
  const std::vector<AeadKind> kinds = backends_here();
  if (kinds.size() < 2) GTEST_SKIP() << "there is but one backend here";
  const std::size_t last = kinds.size() - 1;
  std::string why;
  const auto chosen = choose_aead(AeadKind::kAuto, why, clock_for(kinds.size(), last, 0));
  ASSERT_TRUE(chosen);
  for (const auto& row : *chosen) {
    EXPECT_EQ(row, (std::array{AeadKind::kBoringSsl, kinds[last], kinds[last]})) << why;
  }
  EXPECT_EQ(aead_table_name(*chosen), std::string(to_string(kinds[last])) + "+boringssl");
  const auto aead = make_aead(*chosen);
  ASSERT_TRUE(aead);
  EXPECT_EQ(aead->name(), aead_table_name(*chosen));
  EXPECT_TRUE(aead_agrees(*aead));
}

TEST(ChooseAead, WithoutAClockTakesBoringSsl) {
  std::string why;
  const auto chosen = choose_aead(AeadKind::kAuto, why, nullptr);
  ASSERT_TRUE(chosen);
  EXPECT_EQ(*chosen, aead_table_of(AeadKind::kBoringSsl));
}

TEST(ChooseAead, TakesWhatIsAskedForOrSaysWhyNot) {
  std::string why;
  const auto chosen = choose_aead(AeadKind::kBoringSsl, why, nullptr);
  ASSERT_TRUE(chosen);
  EXPECT_EQ(why, "boringssl: asked for");
  for (const AeadKind kind : {AeadKind::kIpsecMb, AeadKind::kLanes}) {
    const auto other = choose_aead(kind, why, nullptr);
    EXPECT_EQ(other.has_value(), make_aead(kind) != nullptr);
    EXPECT_THAT(why, testing::HasSubstr(other ? "asked for" : "not available"));
  }
}

TEST(AeadClasses, GoByTheMeanLengthAndTheNumberOfPackets) {
  EXPECT_EQ(aead_size_class(0, 1), 0U);
  EXPECT_EQ(aead_size_class(128 * 16, 16), 0U);
  EXPECT_EQ(aead_size_class(576, 1), 1U);
  EXPECT_EQ(aead_size_class(std::uint64_t{1424} * 64, 64), 2U);
  EXPECT_EQ(aead_size_class(65'535, 1), 2U);
  EXPECT_EQ(aead_shape_class(1), 0U);
  EXPECT_EQ(aead_shape_class(2), 0U);
  EXPECT_EQ(aead_shape_class(3), 1U);
  EXPECT_EQ(aead_shape_class(7), 1U);
  EXPECT_EQ(aead_shape_class(8), 2U);
  EXPECT_EQ(aead_shape_class(64), 2U);
}

}  // namespace
}  // namespace hawser::test
