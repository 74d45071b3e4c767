#pragma once
#include <memory>

#include "base/result.h"
#include "tun/kernel_engine.h"

namespace hawser {

// The engine over io_uring: a multishot recvmsg on each socket into provided buffers, and TUN
// writes batched into one submission. Fails when the kernel lacks or refuses any of it.
//
// The engine belongs to the thread that first calls wait() or submit(). Destroy it there, or after
// that thread has ended (the kernel has then cancelled what was in flight).
Result<std::unique_ptr<KernelEngine>> make_io_uring_engine(const EngineParts& parts);

}  // namespace hawser
