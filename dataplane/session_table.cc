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

void SessionTable::rebuild() {
  std::size_t capacity = kMinCapacity;
  while (capacity < 4 * (num_live_ + 1)) capacity *= 2;
  Slots* const old = slots_.load(std::memory_order_relaxed);
  auto fresh = std::make_unique<Slots>(capacity);
  for (std::size_t i = 0; i <= old->mask; ++i) {
    Keypair* const keypair = old->at[i].load(std::memory_order_relaxed);
    if (keypair != nullptr && keypair != tombstone()) put(*fresh, keypair);
  }
  num_used_ = num_live_;
  slots_.store(fresh.release(), std::memory_order_release);
  domain_.retire_object(old);
}

bool SessionTable::insert(Keypair* keypair) {
  const std::lock_guard lock(mutex_);
  if (lookup(keypair->local_index) != nullptr) return false;
  if (2 * (num_used_ + 1) > slots_.load(std::memory_order_relaxed)->mask + 1) rebuild();
  put(*slots_.load(std::memory_order_relaxed), keypair);
  ++num_live_;
  ++num_used_;
  return true;
}

void SessionTable::erase(const Keypair* keypair) {
  const std::lock_guard lock(mutex_);
  Slots& slots = *slots_.load(std::memory_order_relaxed);
  for (std::size_t at = keypair->local_index & slots.mask;; at = (at + 1) & slots.mask) {
    Keypair* const found = slots.at[at].load(std::memory_order_relaxed);
    if (found == nullptr) return;
    if (found != keypair) continue;
    slots.at[at].store(tombstone(), std::memory_order_release);
    --num_live_;
    return;
  }
}

std::size_t SessionTable::size() const {
  const std::lock_guard lock(mutex_);
  return num_live_;
}

}  // namespace hawser
