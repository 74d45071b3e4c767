#pragma once
#include <memory>

#include "base/result.h"
#include "tun/kernel_engine.h"

namespace hawser {

// The engine for kernels and containers without io_uring: epoll, recvmmsg, sendmmsg, read and
// writev.
Result<std::unique_ptr<KernelEngine>> make_epoll_engine(const EngineParts& parts);

}  // namespace hawser
