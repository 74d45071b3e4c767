#pragma once
#include "base/time.h"
#include "dataplane/train.h"

namespace hawser {

// Engine moves batches between one worker and the kernel: its two UDP sockets and its TUN queue.
// Implemented in tun/ with io_uring and with epoll; both behave the same. One thread's.
class Engine {
 public:
  virtual ~Engine() = default;

  // Takes back the buffers of the last batch, then waits until something arrived, wake() was
  // called, or `timeout` passed, and fills `in` (cleared first; perhaps empty).
  virtual void wait(InBatch& in, Duration timeout) = 0;

  // Sends and writes all of `out`, and reports there what did not simply succeed. Slices may point
  // into the current InBatch. When it returns, nothing of the engine refers to `out` any more.
  // Sends that would block wait for a bounded time, then fail with EAGAIN; the TUN device never
  // blocks. Order within a destination is kept.
  virtual void submit(OutBatch& out) = 0;

  // Sleeps for so long, whatever arrives meanwhile; only wake() ends it early, and the next wait()
  // then returns at once.
  virtual void rest(Duration duration) = 0;

  // Makes wait() return soon. The one member that any thread may call.
  virtual void wake() = 0;
};

}  // namespace hawser
