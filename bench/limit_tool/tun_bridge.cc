#include "bench/limit_tool/tun_bridge.h"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include "bench/load/network_namespace.h"
#include "tun/tun_device.h"

namespace hawser::limit {
namespace {

constexpr std::size_t kMaxSuperPacket = 65536 + 64;
// As many as the daemon takes in one batch, then the other direction has its turn.
constexpr int kPacketsPerTurn = 32;

using Buffer = std::array<std::uint8_t, kMaxSuperPacket>;

Result<TunDevice> make_device(const BridgeEnd& end, std::uint32_t mtu) {
  std::optional<Result<TunDevice>> device;
  const Status entered = load::in_namespace(end.network_namespace, [&]() -> Status {
    device.emplace(TunDevice::create(end.interface, 1, mtu));
    return {};
  });
  if (!entered) return entered.error();
  return std::move(*device);
}

// What the other interface refuses (it may still be down) is lost, as on any link.
bool pass_on(int from, int to, Buffer& buffer) {
  for (int i = 0; i < kPacketsPerTurn; ++i) {
    const ssize_t len = ::read(from, buffer.data(), buffer.size());
    if (len < 0) return errno == EAGAIN || errno == EINTR || errno == EIO;
    [[maybe_unused]] const ssize_t written =
        ::write(to, buffer.data(), static_cast<std::size_t>(len));
  }
  return true;
}

}  // namespace

Error run_tun_bridge(const BridgeEnd& a, const BridgeEnd& b, std::uint32_t mtu) {
  const Result<TunDevice> at_a = make_device(a, mtu);
  if (!at_a) return at_a.error();
  const Result<TunDevice> at_b = make_device(b, mtu);
  if (!at_b) return at_b.error();
  const auto buffer = std::make_unique<Buffer>();
  std::array<pollfd, 2> ends = {pollfd{at_a->queue(0), POLLIN, 0},
                                pollfd{at_b->queue(0), POLLIN, 0}};
  for (;;) {
    if (::poll(ends.data(), ends.size(), -1) < 0 && errno != EINTR) break;
    if (!pass_on(ends[0].fd, ends[1].fd, *buffer)) break;
    if (!pass_on(ends[1].fd, ends[0].fd, *buffer)) break;
  }
  return Error{std::string("the TUN device fails: ") + std::strerror(errno), errno};
}

}  // namespace hawser::limit
