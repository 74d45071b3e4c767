#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "base/mutex.h"
#include "dataplane/limits.h"
#include "noise/messages.h"
#include "routing/endpoint.h"

namespace hawser {

// A handshake message (initiation, response or cookie reply) on its way to the handshake thread.
struct QueuedHandshake {
  MessageType type = MessageType::kInitiation;
  std::array<std::uint8_t, kMaxHandshakeMessageLen> bytes;
  std::uint32_t len = 0;
  Endpoint from;
  std::span<const std::uint8_t> message() const { return {bytes.data(), len}; }
};

// HandshakeQueue is bounded (kHandshakeQueueLen) and allocates nothing after construction. Any
// thread.
class HandshakeQueue {
 public:
  HandshakeQueue() : ring_(std::make_unique<QueuedHandshake[]>(kHandshakeQueueLen)) {}

  enum class Pushed : std::uint8_t {
    kFull,    // not taken
    kFirst,   // the reader may be asleep
    kBehind,  // behind others: the reader does not sleep before it has seen them all
  };
  // `message` was classified as `type`.
  [[nodiscard]] Pushed push(MessageType type, std::span<const std::uint8_t> message,
                            const Endpoint& from);
  // False: empty.
  [[nodiscard]] bool pop(QueuedHandshake& out);
  std::size_t size() const;

 private:
  mutable Mutex mutex_;
  const std::unique_ptr<QueuedHandshake[]> ring_;
  std::size_t head_ HAWSER_GUARDED_BY(mutex_) = 0;
  std::size_t num_ HAWSER_GUARDED_BY(mutex_) = 0;
};

}  // namespace hawser
