#include "dataplane/session_table.h"

namespace hawser {
namespace {

constexpr std::size_t kMinCapacity = 64;  // a power of two

// Its address marks a slot whose keypair was erased; never dereferenced.
alignas(Keypair) constinit char tombstone_place = 0;

}  // namespace

SessionTable::Slots::Slots(std::size_t capacity)
    : mask(capacity - 1), at(std::make_unique<std::atomic<Keypair*>[]>(capacity)) {}

Keypair* SessionTable::tombstone() {
  return static_cast<Keypair*>(static_cast<void*>(&tombstone_place));
}

SessionTable::SessionTable(QuiescentDomain& domain)
    : domain_(domain), slots_(new Slots(kMinCapacity)) {}

SessionTable::~SessionTable() { delete slots_.load(); }

void SessionTable::put(Slots& slots, Keypair* keypair) {
  std::size_t at = keypair->local_index & slots.mask;
  while (slots.at[at].load(std::memory_order_relaxed) != nullptr) at = (at + 1) & slots.mask;
  slots.at[at].store(keypair, std::memory_order_release);
}

bool SessionTable::bury(Slots& slots, const Keypair* keypair) {
  for (std::size_t at = keypair->local_index & slots.mask;; at = (at + 1) & slots.mask) {
    Keypair* const found = slots.at[at].load(std::memory_order_relaxed);
    if (found == nullptr) return false;
    if (found != keypair) continue;
    slots.at[at].store(tombstone(), std::memory_order_release);
    return true;
  }
}

std::size_t SessionTable::copy_live(Slots& to, const Slots& from) {
  std::size_t num = 0;
  for (std::size_t i = 0; i <= from.mask; ++i) {
    Keypair* const keypair = from.at[i].load(std::memory_order_acquire);
    if (keypair == nullptr || keypair == tombstone()) continue;
    put(to, keypair);
    ++num;
  }
  return num;
}

// From here on erase() notes what it erases.
std::unique_ptr<SessionTable::Slots> SessionTable::begin_rebuild() {
  std::size_t capacity = kMinCapacity;
  {
    const std::lock_guard lock(mutex_);
    while (capacity < 4 * (num_live_ + 1)) capacity *= 2;
    rebuilding_ = true;
    num_erased_ = 0;
  }
  return std::make_unique<Slots>(capacity);
}

// Only insert() puts something into the table, and that is us: while the live ones are copied, some
// may be erased, but none is added. What is erased meanwhile is not freed as long as we read.
void SessionTable::rebuild() {
  std::unique_ptr<Slots> fresh = begin_rebuild();
  Slots* const old = slots_.load(std::memory_order_relaxed);
  std::size_t num = copy_live(*fresh, *old);
  {
    const std::lock_guard lock(mutex_);
    rebuilding_ = false;
    if (num_erased_ <= erased_.size()) {
      // Some were erased before they were copied.
      for (std::size_t i = 0; i < num_erased_; ++i) bury(*fresh, erased_[i]);
    } else {
      fresh = std::make_unique<Slots>(fresh->mask + 1);
      num = copy_live(*fresh, *old);
    }
    num_used_ = num;
    slots_.store(fresh.release(), std::memory_order_release);
  }
  domain_.retire_object(old);
}

bool SessionTable::insert(Keypair* keypair) {
  if (lookup(keypair->local_index) != nullptr) return false;
  // Grows by ourselves only: erase() leaves it as it is.
  if (2 * (num_used_ + 1) > slots_.load(std::memory_order_relaxed)->mask + 1) rebuild();
  const std::lock_guard lock(mutex_);
  put(*slots_.load(std::memory_order_relaxed), keypair);
  ++num_live_;
  ++num_used_;
  return true;
}

void SessionTable::erase(const Keypair* keypair) {
  const std::lock_guard lock(mutex_);
  if (!bury(*slots_.load(std::memory_order_relaxed), keypair)) return;
  --num_live_;
  if (!rebuilding_) return;
  if (num_erased_ < erased_.size()) erased_[num_erased_] = keypair;
  ++num_erased_;
}

std::size_t SessionTable::size() const {
  const std::lock_guard lock(mutex_);
  return num_live_;
}

}  // namespace hawser
