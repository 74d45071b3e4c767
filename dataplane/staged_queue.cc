#include "dataplane/staged_queue.h"

#include <algorithm>
#include <cstring>

namespace hawser {

static_assert(sizeof(StagedPool::Chunk) == kStagedChunkLen);

StagedPool::StagedPool() : chunks_(std::make_unique_for_overwrite<Chunk[]>(kStagedChunks)) {}

std::uint32_t StagedPool::store(std::span<const std::uint8_t> packet) {
  constexpr std::size_t kRoom = sizeof(Chunk::bytes);
  const std::size_t num = std::max<std::size_t>(1, (packet.size() + kRoom - 1) / kRoom);
  std::uint32_t first = kNone;
  {
    const Lock lock(mutex_);
    if (num > num_free_) return kNone;
    num_free_ -= num;
    for (std::size_t i = 0; i < num; ++i) {
      std::uint32_t taken = free_list_;
      if (taken != kNone) {
        free_list_ = chunks_[taken].next_chunk;
      } else {
        taken = first_untouched_++;
      }
      chunks_[taken].next_chunk = first;
      first = taken;
    }
  }
  std::size_t done = 0;
  for (std::uint32_t at = first; at != kNone; at = chunks_[at].next_chunk) {
    const std::size_t len = std::min(kRoom, packet.size() - done);
    std::memcpy(chunks_[at].bytes, packet.data() + done, len);
    done += len;
  }
  chunks_[first].packet_len = static_cast<std::uint32_t>(packet.size());
  chunks_[first].next_packet = kNone;
  return first;
}

void StagedPool::copy_out(std::uint32_t first, std::uint8_t* out) const {
  std::size_t left = chunks_[first].packet_len;
  for (std::uint32_t at = first; at != kNone; at = chunks_[at].next_chunk) {
    const std::size_t len = std::min(sizeof(Chunk::bytes), left);
    std::memcpy(out, chunks_[at].bytes, len);
    out += len;
    left -= len;
  }
}

void StagedPool::release(std::uint32_t first) {
  const Lock lock(mutex_);
  while (first != kNone) {
    const std::uint32_t next = chunks_[first].next_chunk;
    chunks_[first].next_chunk = free_list_;
    free_list_ = first;
    ++num_free_;
    first = next;
  }
}

std::size_t StagedPool::num_free() const {
  const Lock lock(mutex_);
  return num_free_;
}

std::uint32_t StagedQueue::push(StagedPool& pool, std::span<const std::uint8_t> packet) {
  std::uint32_t dropped = 0;
  if (size() >= kMaxStagedPackets) {
    drop_front(pool);
    ++dropped;
  }
  std::uint32_t stored = pool.store(packet);
  // Over the global budget: a peer makes room from its own share only.
  while (stored == StagedPool::kNone && !empty()) {
    drop_front(pool);
    ++dropped;
    stored = pool.store(packet);
  }
  if (stored == StagedPool::kNone) return dropped + 1;
  if (empty()) {
    head_ = stored;
  } else {
    pool.chunk(tail_).next_packet = stored;
  }
  tail_ = stored;
  num_.fetch_add(1, std::memory_order_release);
  return dropped;
}

void StagedQueue::pop(StagedPool& pool, std::uint8_t* out) {
  pool.copy_out(head_, out);
  drop_front(pool);
}

void StagedQueue::drop_front(StagedPool& pool) {
  const std::uint32_t first = head_;
  head_ = pool.chunk(first).next_packet;
  pool.release(first);
  num_.fetch_sub(1, std::memory_order_release);
}

std::uint32_t StagedQueue::clear(StagedPool& pool) {
  std::uint32_t dropped = 0;
  while (!empty()) {
    drop_front(pool);
    ++dropped;
  }
  return dropped;
}

}  // namespace hawser
