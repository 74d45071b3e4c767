// Does the lanes' code leave key stream behind, in vector registers or on the stack? Searched for
// where the compiler put it, so without a sanitizer, which moves stacks and fills registers.
#include <algorithm>
#include <array>
#include <cstring>
#include <set>

#include "base/wire.h"
#include "noise/aead_lanes.h"
#include "support.h"

#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define HAWSER_TEST_CAN_LOOK 1
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#undef HAWSER_TEST_CAN_LOOK
#endif
#endif
#endif

#ifdef HAWSER_TEST_CAN_LOOK

namespace hawser::test {
namespace {

using noise_internal::LanesForm;
using noise_internal::LanesScratch;

constexpr std::size_t kPackets = 20;
constexpr std::size_t kLen = 300;
constexpr std::size_t kStackLooked = 48 * 1024;

// What is left after a call: the stack below the caller, and the 32 vector registers.
struct Traces {
  alignas(64) std::array<std::uint8_t, kStackLooked> stack;
  alignas(64) std::array<std::uint8_t, 32 * 64> registers;
};
Traces traces;  // not on the stack that is looked at

__attribute__((target("avx512f"))) inline void take_registers_avx512(std::uint8_t* out) {
  __asm__ __volatile__(
      "vmovdqu64 %%zmm0, (%0)\n\tvmovdqu64 %%zmm1, 64(%0)\n\tvmovdqu64 %%zmm2, 128(%0)\n\t"
      "vmovdqu64 %%zmm3, 192(%0)\n\tvmovdqu64 %%zmm4, 256(%0)\n\tvmovdqu64 %%zmm5, 320(%0)\n\t"
      "vmovdqu64 %%zmm6, 384(%0)\n\tvmovdqu64 %%zmm7, 448(%0)\n\tvmovdqu64 %%zmm8, 512(%0)\n\t"
      "vmovdqu64 %%zmm9, 576(%0)\n\tvmovdqu64 %%zmm10, 640(%0)\n\tvmovdqu64 %%zmm11, 704(%0)\n\t"
      "vmovdqu64 %%zmm12, 768(%0)\n\tvmovdqu64 %%zmm13, 832(%0)\n\tvmovdqu64 %%zmm14, 896(%0)\n\t"
      "vmovdqu64 %%zmm15, 960(%0)\n\tvmovdqu64 %%zmm16, 1024(%0)\n\tvmovdqu64 %%zmm17, 1088(%0)\n\t"
      "vmovdqu64 %%zmm18, 1152(%0)\n\tvmovdqu64 %%zmm19, 1216(%0)\n\tvmovdqu64 %%zmm20, "
      "1280(%0)\n\t"
      "vmovdqu64 %%zmm21, 1344(%0)\n\tvmovdqu64 %%zmm22, 1408(%0)\n\tvmovdqu64 %%zmm23, "
      "1472(%0)\n\t"
      "vmovdqu64 %%zmm24, 1536(%0)\n\tvmovdqu64 %%zmm25, 1600(%0)\n\tvmovdqu64 %%zmm26, "
      "1664(%0)\n\t"
      "vmovdqu64 %%zmm27, 1728(%0)\n\tvmovdqu64 %%zmm28, 1792(%0)\n\tvmovdqu64 %%zmm29, "
      "1856(%0)\n\t"
      "vmovdqu64 %%zmm30, 1920(%0)\n\tvmovdqu64 %%zmm31, 1984(%0)"
      :
      : "r"(out)
      : "memory");
}

__attribute__((target("avx2"))) inline void take_registers_avx2(std::uint8_t* out) {
  __asm__ __volatile__(
      "vmovdqu %%ymm0, (%0)\n\tvmovdqu %%ymm1, 64(%0)\n\tvmovdqu %%ymm2, 128(%0)\n\t"
      "vmovdqu %%ymm3, 192(%0)\n\tvmovdqu %%ymm4, 256(%0)\n\tvmovdqu %%ymm5, 320(%0)\n\t"
      "vmovdqu %%ymm6, 384(%0)\n\tvmovdqu %%ymm7, 448(%0)\n\tvmovdqu %%ymm8, 512(%0)\n\t"
      "vmovdqu %%ymm9, 576(%0)\n\tvmovdqu %%ymm10, 640(%0)\n\tvmovdqu %%ymm11, 704(%0)\n\t"
      "vmovdqu %%ymm12, 768(%0)\n\tvmovdqu %%ymm13, 832(%0)\n\tvmovdqu %%ymm14, 896(%0)\n\t"
      "vmovdqu %%ymm15, 960(%0)"
      :
      : "r"(out)
      : "memory");
}

// Calls, and takes what the call left before anything else can run over it.
template <class Call>
__attribute__((noinline)) void take_traces(Call call) {
  traces.registers.fill(0);
  call();
  if (noise_internal::avx512_lanes() != nullptr) {
    take_registers_avx512(traces.registers.data());
  } else {
    take_registers_avx2(traces.registers.data());
  }
  std::uint8_t* stack_pointer = nullptr;
  __asm__ __volatile__("mov %%rsp, %0" : "=r"(stack_pointer));
  const std::uint8_t* from = stack_pointer - kStackLooked;
  std::uint8_t* to = traces.stack.data();
  std::size_t num = kStackLooked;
  __asm__ __volatile__("rep movsb" : "+S"(from), "+D"(to), "+c"(num) : : "memory");
}

// Two neighbouring words of a key-stream block, or the same word of two neighbouring blocks, as one
// number: no accident brings eight such bytes together.
std::set<std::uint64_t> secrets_of(std::span<const AeadJob> jobs, const TransportKey& key) {
  // The key stream is what zeros are sealed to; a counter's block 0 is not seen, the others are.
  const auto boringssl = make_aead(AeadKind::kBoringSsl);
  std::vector<std::vector<std::uint32_t>> blocks;
  for (const AeadJob& job : jobs) {
    std::vector<std::uint8_t> zeros(kLen / 64 * 64 + kAeadTagLen);
    AeadJob one{zeros.data(), static_cast<std::uint32_t>(kLen / 64 * 64), false, job.counter, &key};
    boringssl->seal({&one, 1});
    for (std::size_t at = 0; at < kLen / 64 * 64; at += 64) {
      std::vector<std::uint32_t> words;
      for (std::size_t word = 0; word < 16; ++word) {
        words.push_back(load_le32(zeros.data() + at + 4 * word));
      }
      blocks.push_back(words);
    }
  }
  std::set<std::uint64_t> secrets;
  const auto add = [&secrets](std::uint32_t a, std::uint32_t b) {
    secrets.insert(a | std::uint64_t{b} << 32);
  };
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    for (std::size_t word = 0; word < 16; ++word) {
      if (word > 0) add(blocks[i][word - 1], blocks[i][word]);
      if (i > 0) add(blocks[i - 1][word], blocks[i][word]);
    }
  }
  for (std::size_t word = 0; word < 8; ++word) {
    const std::uint32_t value = load_le32(key.data() + 4 * word);
    add(value, value);
    if (word > 0) add(load_le32(key.data() + 4 * word - 4), value);
  }
  return secrets;
}

std::size_t num_found(std::span<const std::uint8_t> memory,
                      const std::set<std::uint64_t>& secrets) {
  std::size_t num = 0;
  for (std::size_t at = 0; at + 8 <= memory.size(); at += 4) {
    num += secrets.count(load_le64(memory.data() + at));
  }
  return num;
}

class AeadLanesWipe : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    form_ = GetParam() ? noise_internal::avx512_lanes() : noise_internal::avx2_lanes();
    if (form_ == nullptr) GTEST_SKIP() << "not on this processor";
    SeededRandom random(11);
    random.fill(key_.mutable_bytes());
    bytes_.assign(kPackets * (kLen + kAeadTagLen), 0x5a);
    for (std::size_t i = 0; i < kPackets; ++i) {
      jobs_[i] = {bytes_.data() + i * (kLen + kAeadTagLen), kLen, false, 900 + i, &key_};
    }
    secrets_ = secrets_of(jobs_, key_);
  }

  const LanesForm* form_ = nullptr;
  TransportKey key_;
  std::vector<std::uint8_t> bytes_;
  std::array<AeadJob, kPackets> jobs_;
  std::set<std::uint64_t> secrets_;
};

// The search itself: what the inner function leaves when nobody clears up is found.
TEST_P(AeadLanesWipe, TheInnerFunctionLeavesTraces) {
  static LanesScratch scratch;
  std::array<AeadJob*, noise_internal::kLanesTile> pointers;
  for (std::size_t i = 0; i < pointers.size(); ++i) pointers[i] = &jobs_[i];
  take_traces([&] { form_->seal(scratch, key_.data(), pointers); });
  EXPECT_GT(num_found(traces.stack, secrets_) + num_found(traces.registers, secrets_), 0U);
}

TEST_P(AeadLanesWipe, SealingLeavesNothingBehind) {
  const auto lanes = noise_internal::make_lanes_aead(form_);
  take_traces([&] { lanes->seal(jobs_); });
  EXPECT_EQ(num_found(traces.stack, secrets_), 0U);
  EXPECT_EQ(num_found(traces.registers, secrets_), 0U);
  for (const AeadJob& job : jobs_) EXPECT_TRUE(job.ok);
}

TEST_P(AeadLanesWipe, OpeningLeavesNothingBehind) {
  const auto lanes = noise_internal::make_lanes_aead(form_);
  lanes->seal(jobs_);
  for (const std::size_t num : {std::size_t{1}, std::size_t{3}, kPackets}) {
    take_traces([&] { lanes->open(std::span(jobs_).first(num)); });
    EXPECT_EQ(num_found(traces.stack, secrets_), 0U) << num;
    EXPECT_EQ(num_found(traces.registers, secrets_), 0U) << num;
    lanes->seal(std::span(jobs_).first(num));
  }
}

// The object's own memory, too: the one-time keys.
TEST_P(AeadLanesWipe, TheScratchMemoryIsZeroAfterABatch) {
  const auto lanes = noise_internal::make_lanes_aead(form_);
  lanes->seal(jobs_);
  // What follows the vtable and the form is the scratch memory.
  const auto* begin = reinterpret_cast<const std::uint8_t*>(lanes.get()) + 64;
  EXPECT_EQ(std::count(begin, begin + sizeof(LanesScratch), 0),
            static_cast<std::ptrdiff_t>(sizeof(LanesScratch)));
}

INSTANTIATE_TEST_SUITE_P(Forms, AeadLanesWipe, ::testing::Bool(),
                         [](const ::testing::TestParamInfo<bool>& wide) {
                           return wide.param ? "Avx512" : "Avx2";
                         });

}  // namespace
}  // namespace hawser::test

#endif
