#pragma once
// Staged packets (paper §6.4): what waits for a session. Packets are copied into chunks of one
// pool, whose size is the budget over all peers.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>

#include "base/mutex.h"
#include "dataplane/limits.h"

namespace hawser {

// StagedPool is the memory of all staged queues. Any thread. Pages are touched only when used.
class StagedPool {
 public:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
  struct Chunk {
    std::uint32_t next_chunk;   // of this packet
    std::uint32_t next_packet;  // first chunk of the next packet; in a first chunk only
    std::uint32_t packet_len;   // in a first chunk only
    std::uint8_t bytes[kStagedChunkLen - 12];
  };

  StagedPool();

  // A chain of chunks holding a copy of `packet`; kNone when the budget is used up.
  std::uint32_t store(std::span<const std::uint8_t> packet);
  void copy_out(std::uint32_t first, std::uint8_t* out) const;
  void release(std::uint32_t first);
  Chunk& chunk(std::uint32_t i) { return chunks_[i]; }
  const Chunk& chunk(std::uint32_t i) const { return chunks_[i]; }
  std::size_t num_free() const;

 private:
  mutable Mutex mutex_;
  const std::unique_ptr<Chunk[]> chunks_;
  std::uint32_t free_list_ HAWSER_GUARDED_BY(mutex_) = kNone;
  std::uint32_t first_untouched_ HAWSER_GUARDED_BY(mutex_) = 0;
  std::size_t num_free_ HAWSER_GUARDED_BY(mutex_) = kStagedChunks;
};

// StagedQueue is one peer's: at most kMaxStagedPackets, the oldest is dropped first. Locked by its
// user with mutex(), so that taking packets and reserving their counters is one step, and order
// is kept. empty() may be asked without the lock.
class StagedQueue {
 public:
  std::mutex& mutex() { return mutex_; }
  bool empty() const { return num_.load(std::memory_order_acquire) == 0; }
  std::uint32_t size() const { return num_.load(std::memory_order_acquire); }

  // Under the lock. Returns how many packets were dropped for it (old ones, or this one).
  std::uint32_t push(StagedPool& pool, std::span<const std::uint8_t> packet);
  std::uint32_t front_len(const StagedPool& pool) const { return pool.chunk(head_).packet_len; }
  // Copies the oldest packet to `out` (front_len() bytes) and removes it. Not empty.
  void pop(StagedPool& pool, std::uint8_t* out);
  // Drops all; returns how many.
  std::uint32_t clear(StagedPool& pool);

 private:
  void drop_front(StagedPool& pool);

  std::mutex mutex_;
  std::atomic<std::uint32_t> num_{0};
  std::uint32_t head_ = StagedPool::kNone;
  std::uint32_t tail_ = StagedPool::kNone;
};

}  // namespace hawser
