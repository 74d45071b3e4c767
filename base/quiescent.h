#pragma once
// Quiescent-state based reclamation: readers never wait for writers, and what a writer took out of
// a shared table is freed only when no reader can still hold it.
//
// Source: McKenney, "Is Parallel Programming Hard", chapter 9 (RCU fundamentals); the scheme with
// extended quiescent states is liburcu's QSBR flavour.
#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

namespace hawser {

// QuiescentDomain is shared by all readers and writers of one set of tables.
//
// Threading: a Reader belongs to one thread. A reader is online between online() and offline();
// pointers that it read from shared tables are good until it next goes offline. retire() and
// reclaim() may be called from any thread, online or not; reclaim() runs the deleters outside of
// the domain's lock.
class QuiescentDomain {
 public:
  class Reader {
   public:
    explicit Reader(QuiescentDomain& domain);
    ~Reader();
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;

    void online() {
      // A read-modify-write on both sides: either reclaim() sees this reader online, or this
      // exchange follows reclaim()'s in the modification order, synchronizes with it, and the
      // reads of shared tables that come next see that the item is gone.
      seen_.exchange(domain_.epoch_.load(std::memory_order_acquire), std::memory_order_acq_rel);
    }
    void offline() { seen_.store(kOffline, std::memory_order_release); }

   private:
    friend class QuiescentDomain;
    QuiescentDomain& domain_;
    std::atomic<std::uint64_t> seen_{kOffline};
  };

  QuiescentDomain() = default;
  ~QuiescentDomain();  // runs every deleter that is left; no reader may be online
  QuiescentDomain(const QuiescentDomain&) = delete;
  QuiescentDomain& operator=(const QuiescentDomain&) = delete;

  // Hands over something that no new reader can find any more.
  void retire(std::function<void()> deleter);
  template <class T>
  void retire_object(const T* object) {
    retire([object] { delete object; });
  }

  // Frees what every reader has passed. Returns how many retired items are still waiting.
  std::size_t reclaim();

 private:
  static constexpr std::uint64_t kOffline = 0;
  struct Retired {
    std::uint64_t epoch;
    std::function<void()> deleter;
  };

  std::uint64_t oldest_seen() const;

  std::atomic<std::uint64_t> epoch_{1};
  mutable std::mutex mutex_;
  std::vector<Reader*> readers_;
  std::vector<Retired> retired_;  // in order of epoch
};

}  // namespace hawser
