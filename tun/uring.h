#pragma once
#include <liburing.h>

#include <cstddef>
#include <cstdint>

#include "base/result.h"
#include "tun/receive_buffers.h"

namespace hawser {

// Uring owns one io_uring instance and its ring of provided buffers.
//
// It is set up disabled, SINGLE_ISSUER and DEFER_TASKRUN: whoever opens it need not be the thread
// that uses it; the thread that calls enable() is the only one that may submit afterwards. With
// DEFER_TASKRUN receives run only inside that thread's own system calls, so a batch is never
// interrupted and completions come in bunches. Needs Linux 6.1.
class Uring {
 public:
  static constexpr std::uint16_t kBufferGroup = 0;

  Uring() = default;
  ~Uring();
  Uring(const Uring&) = delete;
  Uring& operator=(const Uring&) = delete;

  Status open(unsigned num_submissions, unsigned num_completions);
  // Registers a buffer ring, empty, for the slots of `buffers` (a power of two of them), which
  // outlive this.
  Status register_buffers(const ReceiveBuffers& buffers);
  Status enable();

  // An empty submission; submits what is queued when the ring is full.
  io_uring_sqe* next_submission();
  // Gives slot `i` to the kernel, which sees it after publish_buffers().
  void offer_buffer(std::uint16_t i);
  void publish_buffers();
  io_uring* raw() { return &ring_; }

 private:
  io_uring ring_{};
  bool is_open_ = false;
  const ReceiveBuffers* buffers_ = nullptr;
  io_uring_buf_ring* buffer_ring_ = nullptr;
  std::size_t buffer_ring_len_ = 0;
  int num_unpublished_ = 0;
};

// Queues a multishot recvmsg that fills ReceiveBuffers' slots. `header` is read when it is
// submitted, and holds the lengths of the slots' name and control rooms.
void prepare_multishot_receive(io_uring_sqe* submission, int socket, msghdr& header);

// Tries out on a throw-away ring everything that the engine relies on. The error says in a few
// words what the kernel refused, and why where that can be known.
Status probe_io_uring();

}  // namespace hawser
