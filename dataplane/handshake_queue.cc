#include "dataplane/handshake_queue.h"

#include <cassert>
#include <cstring>

namespace hawser {

HandshakeQueue::Pushed HandshakeQueue::push(MessageType type, std::span<const std::uint8_t> message,
                                            const Endpoint& from) {
  assert(message.size() <= kMaxHandshakeMessageLen);
  const Lock lock(mutex_);
  if (num_ == kHandshakeQueueLen) return Pushed::kFull;
  QueuedHandshake& slot = ring_[(head_ + num_) % kHandshakeQueueLen];
  std::memcpy(slot.bytes.data(), message.data(), message.size());
  slot.type = type;
  slot.len = static_cast<std::uint32_t>(message.size());
  slot.from = from;
  return num_++ == 0 ? Pushed::kFirst : Pushed::kBehind;
}

bool HandshakeQueue::pop(QueuedHandshake& out) {
  const Lock lock(mutex_);
  if (num_ == 0) return false;
  out = ring_[head_];
  head_ = (head_ + 1) % kHandshakeQueueLen;
  --num_;
  return true;
}

std::size_t HandshakeQueue::size() const {
  const Lock lock(mutex_);
  return num_;
}

}  // namespace hawser
