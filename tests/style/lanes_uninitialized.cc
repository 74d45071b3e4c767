// The lanes' portable form with every secret marked uninitialized, for the memory sanitizer: a
// branch or an address that depends on a key, a text or a tag ends the program. Only the verdict is
// declassified, by the code itself. check_lanes.py builds and runs it.
#include <sanitizer/msan_interface.h>

#include <array>
#include <cstdio>
#include <vector>

#include "noise/aead_lanes.h"

using namespace hawser;
using noise_internal::LanesForm;
using noise_internal::LanesScratch;

namespace {

constexpr std::size_t kKeyBytes = 32;

bool fail(const char* what) {
  std::fprintf(stderr, "lanes_uninitialized: %s\n", what);
  return false;
}

// Packets of unequal lengths, sealed, spoilt, opened.
bool run(const LanesForm& form, const std::vector<std::uint32_t>& lens) {
  static LanesScratch scratch;
  std::array<std::uint8_t, kKeyBytes> key;
  for (std::size_t i = 0; i < key.size(); ++i) key[i] = static_cast<std::uint8_t>(7 * i + 1);
  std::vector<std::vector<std::uint8_t>> texts;
  std::vector<AeadJob> jobs(lens.size());
  std::vector<AeadJob*> pointers(lens.size());
  for (std::size_t i = 0; i < lens.size(); ++i) {
    texts.emplace_back(lens[i] + kAeadTagLen, static_cast<std::uint8_t>(i));
    jobs[i] = {texts[i].data(), lens[i], false, 100 + i, nullptr};
    pointers[i] = &jobs[i];
    __msan_poison(texts[i].data(), lens[i]);
  }
  __msan_poison(key.data(), key.size());
  form.seal(scratch, key.data(), pointers);
  for (std::size_t i = 0; i < lens.size(); ++i) {
    if (__msan_test_shadow(texts[i].data() + lens[i], kAeadTagLen) != 0) {
      return fail("the tag does not depend on the secrets: they are not followed");
    }
    if (!jobs[i].ok) return fail("a packet was not sealed");
  }
  // Marked again, as what came from outside; one is forged.
  texts[0][lens[0]] = static_cast<std::uint8_t>(texts[0][lens[0]] ^ 1);
  for (auto& text : texts) __msan_poison(text.data(), text.size());
  form.open(scratch, key.data(), pointers);
  for (std::size_t i = 0; i < lens.size(); ++i) {
    if (jobs[i].ok != (i != 0)) return fail("a wrong verdict");
    __msan_unpoison(texts[i].data(), lens[i]);
    for (std::uint32_t at = 0; i != 0 && at < lens[i]; ++at) {
      if (texts[i][at] != static_cast<std::uint8_t>(i)) return fail("a text came out wrong");
    }
  }
  return true;
}

}  // namespace

int main() {
  const std::vector<std::vector<std::uint32_t>> trains = {
      {1424, 1424, 1424, 1000, 576, 129, 128, 127, 65, 64, 63, 33, 16, 15, 1, 0},
      {2048},
      {0},
      {100, 90, 80, 70, 60},
      std::vector<std::uint32_t>(16, 1424)};
  for (const auto& lens : trains) {
    if (!run(noise_internal::portable_lanes_16(), lens)) return 1;
    if (!run(noise_internal::portable_lanes_8(), lens)) return 1;
  }
  return 0;
}
