#include "base/quiescent.h"

#include <algorithm>
#include <cassert>
#include <limits>
#include <utility>

namespace hawser {

QuiescentDomain::Reader::Reader(QuiescentDomain& domain) : domain_(domain) {
  const std::lock_guard lock(domain_.mutex_);
  domain_.readers_.push_back(this);
}

QuiescentDomain::Reader::~Reader() {
  offline();
  const std::lock_guard lock(domain_.mutex_);
  std::erase(domain_.readers_, this);
}

QuiescentDomain::~QuiescentDomain() {
  reclaim();
  assert(retired_.empty());
}

void QuiescentDomain::retire(std::function<void()> deleter) {
  const std::lock_guard lock(mutex_);
  // A reader that goes online after this increment sees the table without the item.
  const std::uint64_t epoch = epoch_.fetch_add(1, std::memory_order_seq_cst);
  retired_.push_back({epoch, std::move(deleter)});
}

std::uint64_t QuiescentDomain::oldest_seen() const {
  std::uint64_t oldest = std::numeric_limits<std::uint64_t>::max();
  for (Reader* reader : readers_) {
    const std::uint64_t seen = reader->seen_.fetch_add(0, std::memory_order_acq_rel);
    if (seen != kOffline) oldest = std::min(oldest, seen);
  }
  return oldest;
}

std::size_t QuiescentDomain::reclaim() {
  std::vector<Retired> free;
  std::size_t left = 0;
  {
    const std::lock_guard lock(mutex_);
    // An item retired at epoch e may be held by readers that went online at e or before.
    const std::uint64_t oldest = oldest_seen();
    const auto first_kept = std::find_if(retired_.begin(), retired_.end(),
                                         [&](const Retired& r) { return r.epoch >= oldest; });
    free.assign(std::make_move_iterator(retired_.begin()), std::make_move_iterator(first_kept));
    retired_.erase(retired_.begin(), first_kept);
    left = retired_.size();
  }
  for (Retired& item : free) item.deleter();
  return left;
}

}  // namespace hawser
