#include "tun/kernel_engine.h"

#include <poll.h>

#include <chrono>

#include "tun/epoll_engine.h"
#include "tun/io_uring_engine.h"

namespace hawser {

std::string_view to_string(EngineKind kind) {
  switch (kind) {
    case EngineKind::kAuto:
      return "auto";
    case EngineKind::kIoUring:
      return "io_uring";
    case EngineKind::kEpoll:
      return "epoll";
  }
  return "unknown";
}

void rest_until_woken(int wake_fd, Duration duration) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(duration);
  timespec span{};
  span.tv_sec = seconds.count();
  span.tv_nsec = (duration - seconds).count();
  pollfd woken{wake_fd, POLLIN, 0};
  // A signal may end it early: it is a rest, not a deadline.
  ::ppoll(&woken, 1, &span, nullptr);
}

Result<std::unique_ptr<KernelEngine>> make_kernel_engine(EngineKind kind, const EngineParts& parts,
                                                         std::string* fallback_reason) {
  if (fallback_reason != nullptr) fallback_reason->clear();
  if (kind == EngineKind::kEpoll) return make_epoll_engine(parts);
  Result<std::unique_ptr<KernelEngine>> engine = make_io_uring_engine(parts);
  if (engine.ok()) return engine;
  if (kind == EngineKind::kIoUring) {
    Error refused = engine.error();
    refused.message += "; use --engine=epoll, or --engine=auto to fall back by itself";
    return refused;
  }
  if (fallback_reason != nullptr) *fallback_reason = engine.error().message;
  return make_epoll_engine(parts);
}

}  // namespace hawser
