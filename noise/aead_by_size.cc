#include "noise/aead_by_size.h"

#include <algorithm>
#include <vector>

namespace hawser {
namespace {

// Between what is measured for the classes: 128, 576 and 1,424 bytes; 1, 4 and 16 packets.
constexpr std::array<std::uint64_t, kNumAeadSizes - 1> kSizeBounds = {272, 904};
constexpr std::array<std::size_t, kNumAeadShapes - 1> kShapeBounds = {3, 8};

// The kinds of a table, that of full trains first, each once.
std::vector<AeadKind> kinds_of(const AeadTable& table) {
  std::vector<AeadKind> kinds;
  for (auto row = table.rbegin(); row != table.rend(); ++row) {
    for (auto kind = row->rbegin(); kind != row->rend(); ++kind) {
      if (std::find(kinds.begin(), kinds.end(), *kind) == kinds.end()) kinds.push_back(*kind);
    }
  }
  return kinds;
}

class AeadBySize final : public Aead {
 public:
  // Empty after a backend that is not there.
  explicit AeadBySize(const AeadTable& table) : name_(aead_table_name(table)) {
    const std::vector<AeadKind> kinds = kinds_of(table);
    for (const AeadKind kind : kinds) {
      backends_.push_back(make_aead(kind));
      complete_ = complete_ && backends_.back() != nullptr;
    }
    for (std::size_t size = 0; size < kNumAeadSizes; ++size) {
      for (std::size_t shape = 0; shape < kNumAeadShapes; ++shape) {
        const auto found = std::find(kinds.begin(), kinds.end(), table[size][shape]);
        backend_of_[size][shape] = backends_[static_cast<std::size_t>(found - kinds.begin())].get();
      }
    }
  }

  bool is_complete() const { return complete_; }
  std::string_view name() const override { return name_; }

  void seal(std::span<AeadJob> jobs) override {
    while (!jobs.empty()) {
      const std::span<AeadJob> run = take_run(jobs);
      backend_for(run).seal(run);
    }
  }
  void open(std::span<AeadJob> jobs) override {
    while (!jobs.empty()) {
      const std::span<AeadJob> run = take_run(jobs);
      backend_for(run).open(run);
    }
  }

 private:
  static std::span<AeadJob> take_run(std::span<AeadJob>& jobs) {
    std::size_t num = 1;
    while (num < jobs.size() && jobs[num].key == jobs[0].key) ++num;
    const std::span<AeadJob> run = jobs.first(num);
    jobs = jobs.subspan(num);
    return run;
  }

  Aead& backend_for(std::span<const AeadJob> run) const {
    std::uint64_t total_len = 0;
    for (const AeadJob& job : run) total_len += job.len;
    return *backend_of_[aead_size_class(total_len, run.size())][aead_shape_class(run.size())];
  }

  std::string name_;
  bool complete_ = true;
  std::vector<std::unique_ptr<Aead>> backends_;
  std::array<std::array<Aead*, kNumAeadShapes>, kNumAeadSizes> backend_of_{};
};

}  // namespace

std::size_t aead_size_class(std::uint64_t total_len, std::size_t num) {
  std::size_t size = 0;
  for (const std::uint64_t bound : kSizeBounds) size += total_len >= bound * num ? 1 : 0;
  return size;
}

std::size_t aead_shape_class(std::size_t num) {
  std::size_t shape = 0;
  for (const std::size_t bound : kShapeBounds) shape += num >= bound ? 1 : 0;
  return shape;
}

AeadTable aead_table_of(AeadKind kind) {
  AeadTable table{};
  for (auto& row : table) row.fill(kind);
  return table;
}

std::string aead_table_name(const AeadTable& table) {
  std::string name;
  for (const AeadKind kind : kinds_of(table)) {
    if (!name.empty()) name += '+';
    name += to_string(kind);
  }
  return name;
}

std::unique_ptr<Aead> make_aead(const AeadTable& table) {
  if (table == aead_table_of(table[0][0])) return make_aead(table[0][0]);
  auto aead = std::make_unique<AeadBySize>(table);
  if (!aead->is_complete()) return nullptr;
  return aead;
}

}  // namespace hawser
