#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "base/quiescent.h"
#include "noise/keypair.h"

namespace hawser {

// SessionTable finds a keypair by the receiver index of a transport packet. Indices are random
// numbers of ours, so they are their own hash. Open addressing with linear probing; at most half
// full. Readers are lock-free inside a reader section of `domain`; writers lock. Does not own.
class SessionTable {
 public:
  explicit SessionTable(QuiescentDomain& domain);
  ~SessionTable();
  SessionTable(const SessionTable&) = delete;
  SessionTable& operator=(const SessionTable&) = delete;

  Keypair* lookup(std::uint32_t index) const {
    const Slots* slots = slots_.load(std::memory_order_acquire);
    for (std::size_t at = index & slots->mask;; at = (at + 1) & slots->mask) {
      Keypair* const found = slots->at[at].load(std::memory_order_acquire);
      if (found == nullptr) return nullptr;
      if (found != tombstone() && found->local_index == index) return found;
    }
  }

  // False: the index is taken.
  [[nodiscard]] bool insert(Keypair* keypair);
  void erase(const Keypair* keypair);
  std::size_t size() const;

 private:
  struct Slots {
    explicit Slots(std::size_t capacity);
    std::size_t mask;
    std::unique_ptr<std::atomic<Keypair*>[]> at;
  };
  static Keypair* tombstone();
  static void put(Slots& slots, Keypair* keypair);
  void rebuild();

  QuiescentDomain& domain_;
  std::atomic<Slots*> slots_;
  mutable std::mutex mutex_;
  std::size_t num_live_ = 0;
  std::size_t num_used_ = 0;  // live and tombstones
};

}  // namespace hawser
