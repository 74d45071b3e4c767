#include "noise/aead_lanes.h"

#include <algorithm>
#include <cassert>

#include "base/secret.h"

namespace hawser::noise_internal {
namespace {

// What the forms' functions may have left on the stack below their caller; a test looks whether it
// suffices.
constexpr std::size_t kStackBelow = 12'288;

__attribute__((noinline)) void clear_stack_below() {
  std::array<std::uint8_t, kStackBelow> below;
  wipe(below);
}

// Jobs that are sorted at a time; more come in parts. As many as a train has segments.
constexpr std::size_t kMaxSorted = 64;
static_assert(kMaxSorted % kLanesTile == 0);

class LanesAead final : public Aead {
 public:
  explicit LanesAead(const LanesForm& form) : form_(form) { wipe_scratch(); }

  std::string_view name() const override { return to_string(AeadKind::kLanes); }

  void seal(std::span<AeadJob> jobs) override { work(form_.seal, jobs); }
  void open(std::span<AeadJob> jobs) override { work(form_.open, jobs); }

 private:
  using Tile = decltype(LanesForm::seal);

  // The one way in and out: nothing secret stays behind in registers, scratch memory or stack.
  void work(Tile tile, std::span<AeadJob> jobs) {
    while (!jobs.empty()) {
      std::size_t num = 1;
      while (num < jobs.size() && num < kMaxSorted && jobs[num].key == jobs[0].key) ++num;
      work_run(tile, jobs.first(num));
      jobs = jobs.subspan(num);
    }
    form_.clear_registers();
    clear_stack_below();
    wipe_scratch();
  }

  // Equal lengths side by side: what a tile computes for a packet that has ended is lost.
  void work_run(Tile tile, std::span<AeadJob> run) {
    std::array<AeadJob*, kMaxSorted> sorted;
    bool in_order = true;
    for (std::size_t i = 0; i < run.size(); ++i) {
      sorted[i] = &run[i];
      in_order = in_order && (i == 0 || run[i].len <= run[i - 1].len);
    }
    const std::span<AeadJob*> all = std::span(sorted).first(run.size());
    if (!in_order) {
      std::sort(all.begin(), all.end(),
                [](const AeadJob* a, const AeadJob* b) { return a->len > b->len; });
    }
    for (std::size_t at = 0; at < all.size(); at += kLanesTile) {
      const auto part = all.subspan(at, std::min(kLanesTile, all.size() - at));
      tile(scratch_, run[0].key->data(), part);
    }
  }

  void wipe_scratch() { wipe({reinterpret_cast<std::uint8_t*>(&scratch_), sizeof scratch_}); }

  const LanesForm& form_;
  LanesScratch scratch_;
};

}  // namespace

const LanesForm* best_lanes() {
  const LanesForm* const widest = avx512_lanes();
  return widest != nullptr ? widest : avx2_lanes();
}

std::unique_ptr<Aead> make_lanes_aead(const LanesForm* form) {
  return form == nullptr ? nullptr : std::make_unique<LanesAead>(*form);
}

}  // namespace hawser::noise_internal
