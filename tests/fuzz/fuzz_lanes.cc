// Trains under one key, sealed and opened by each form of the lanes that this processor has, as
// BoringSSL does it; one packet may be spoilt.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "noise/aead_lanes.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/require.h"

namespace {

using namespace hawser;
using testing::require;

constexpr std::size_t kMaxPackets = 64;
constexpr std::uint32_t kMaxLen = 2048;
constexpr std::uint32_t kMaxTotal = 8192;  // of a train, or runs would be too few

struct Batch {
  TransportKey key;
  std::vector<std::uint8_t> bytes;
  std::vector<AeadJob> jobs;

  // The same packets in other memory.
  void copy_to(Batch& other) const {
    other.bytes = bytes;
    other.jobs = jobs;
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      other.jobs[i].data = other.bytes.data() + (jobs[i].data - bytes.data());
      other.jobs[i].ok = false;
    }
  }
};

// One byte says how many packets of a kind follow; lengths and counters are near each other or not.
void fill(Batch& batch, testing::FuzzInput& input) {
  for (std::uint8_t& byte : batch.key.mutable_bytes()) byte = input.u8();
  const std::size_t num = 1 + input.u8() % kMaxPackets;
  const bool equal = input.u8() % 2 == 0;
  std::uint64_t counter = 0;
  for (int i = 0; i < 4; ++i) counter = counter << 16 | input.u16();
  std::vector<std::uint32_t> offsets;
  const std::uint32_t longest = std::min(kMaxLen, kMaxTotal / static_cast<std::uint32_t>(num));
  std::uint32_t len = input.u16() % (longest + 1);
  std::size_t total = 0;
  for (std::size_t i = 0; i < num; ++i) {
    if (!equal && i > 0) len = input.u16() % (longest + 1);
    total += std::size_t{input.u8()} % 64;
    offsets.push_back(static_cast<std::uint32_t>(total));
    batch.jobs.push_back({nullptr, len, false, counter + i, nullptr});
    total += len + kAeadTagLen;
  }
  // What the input has left is the text, over and over: long and short inputs mean long trains.
  const std::vector<std::uint8_t> text = input.rest();
  batch.bytes.resize(total + 1, 0xff);
  for (std::size_t at = 0; at < total && !text.empty(); at += text.size()) {
    std::copy_n(text.begin(), std::min(text.size(), total - at),
                batch.bytes.begin() + static_cast<std::ptrdiff_t>(at));
  }
  for (std::size_t i = 0; i < num; ++i) {
    batch.jobs[i].data = batch.bytes.data() + offsets[i];
    batch.jobs[i].key = &batch.key;
  }
}

void check(Aead& lanes, Aead& boringssl, const Batch& plain, std::size_t spoilt) {
  Batch expected;
  Batch actual;
  plain.copy_to(expected);
  plain.copy_to(actual);
  boringssl.seal(expected.jobs);
  lanes.seal(actual.jobs);
  require(expected.bytes == actual.bytes, "lanes seal as BoringSSL does");

  AeadJob& job = actual.jobs[spoilt % actual.jobs.size()];
  const std::size_t at = spoilt / kMaxPackets % (job.len + kAeadTagLen);
  job.data[at] = static_cast<std::uint8_t>(job.data[at] ^ (1U << (spoilt % 8)));
  lanes.open(actual.jobs);
  for (std::size_t i = 0; i < actual.jobs.size(); ++i) {
    const AeadJob& opened = actual.jobs[i];
    require(opened.ok == (&opened != &job), "all but the spoilt packet are opened");
    const std::uint8_t* const text = plain.jobs[i].data;
    require(!opened.ok || std::equal(text, text + opened.len, opened.data),
            "what is opened is what was sealed");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t len) {
  static const std::unique_ptr<Aead> boringssl = make_aead(AeadKind::kBoringSsl);
  static const std::unique_ptr<Aead> forms[] = {
      noise_internal::make_lanes_aead(noise_internal::avx512_lanes()),
      noise_internal::make_lanes_aead(noise_internal::avx2_lanes()),
      noise_internal::make_lanes_aead(&noise_internal::portable_lanes_16())};
  testing::FuzzInput input(data, len);
  const std::size_t spoilt = input.u16();
  Batch plain;
  fill(plain, input);
  // The portable form is slow; it has a turn where there is no other, and now and then.
  bool any = false;
  for (const auto& form : forms) {
    if (!form || (any && &form == &forms[2] && spoilt % 64 != 0)) continue;
    check(*form, *boringssl, plain, spoilt);
    any = true;
  }
  return 0;
}
