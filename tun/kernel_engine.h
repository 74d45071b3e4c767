#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "dataplane/engine.h"
#include "tun/tun_device.h"

namespace hawser {

enum class EngineKind : std::uint8_t { kAuto, kIoUring, kEpoll };
std::string_view to_string(EngineKind kind);  // "auto", "io_uring", "epoll"

// What an engine moves packets between. Descriptors are borrowed; -1: absent.
struct EngineParts {
  int udp_v4 = -1;
  int udp_v6 = -1;
  int tun = -1;
  bool tun_has_vnet_header = true;
  bool receive = true;   // false: an engine that only sends
  bool read_tun = true;  // false: an engine that only writes to TUN
};

// What an engine threw away by itself. Relaxed: any thread may ask.
struct EngineCounters {
  std::uint64_t truncated = 0;  // datagrams that did not come whole, or from no IP address
};

// KernelEngine is an Engine whose UDP sockets can be exchanged.
class KernelEngine : public Engine {
 public:
  virtual std::string_view name() const = 0;
  virtual EngineCounters counters() const = 0;
  // Between submit() and wait(), on the engine's thread. The old sockets may be closed when it
  // returns.
  virtual void set_udp_sockets(int udp_v4, int udp_v6) = 0;
};

// Engine::rest() over the descriptor that wake() makes readable, which stays so.
void rest_until_woken(int wake_fd, Duration duration);

// kAuto tries io_uring and falls back to epoll; `*fallback_reason` then says why in a few words
// ("io_uring_setup: Operation not permitted (kernel.io_uring_disabled=2)"), else it is empty.
// An io_uring engine is bound to the thread that first calls wait() (SINGLE_ISSUER), so it may be
// made on another.
Result<std::unique_ptr<KernelEngine>> make_kernel_engine(EngineKind kind, const EngineParts& parts,
                                                         std::string* fallback_reason);

}  // namespace hawser
