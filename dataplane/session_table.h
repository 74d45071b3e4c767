#pragma once
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>

#include "base/quiescent.h"
#include "noise/keypair.h"

namespace hawser {

// SessionTable finds a keypair by the receiver index of a transport packet. Indices are random
// numbers of ours, so they are their own hash. Open addressing with linear probing; at most half
// full. Does not own.
//
// Threading: lookup() is lock-free, inside a reader section of `domain`. insert() is one thread's
// at a time, in a reader section too if others erase meanwhile; erase() is any thread's. Both lock,
// but nobody waits while a table with a million sessions is made anew: that happens beside the old
// one.
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
  // Erased by others while a new table is filled, which takes a tenth of a second for a million
  // sessions; more than one core's handshakes in that time. With still more they wait.
  static constexpr std::size_t kMaxNotedErasures = 4096;

  static Keypair* tombstone();
  static void put(Slots& slots, Keypair* keypair);
  static bool bury(Slots& slots, const Keypair* keypair);
  static std::size_t copy_live(Slots& to, const Slots& from);
  std::unique_ptr<Slots> begin_rebuild();
  void rebuild();

  QuiescentDomain& domain_;
  std::atomic<Slots*> slots_;
  mutable std::mutex mutex_;
  std::size_t num_live_ = 0;
  std::size_t num_used_ = 0;  // live and tombstones
  bool rebuilding_ = false;
  std::size_t num_erased_ = 0;  // while rebuilding
  std::array<const Keypair*, kMaxNotedErasures> erased_{};
};

}  // namespace hawser
