#include "bench/flood_tool/flood.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <random>

#include "bench/load/clock.h"
#include "bench/load/errno_error.h"
#include "bench/load/network_namespace.h"
#include "tun/unique_fd.h"

namespace hawser::flood {
namespace {

constexpr std::size_t kPacketsPerCall = 64;
constexpr timespec kTick{0, 500'000};
// A flooder that was away for longer than this does not make up for it: no burst is larger.
constexpr double kLongestGap = 0.01;

Result<UniqueFd> open_socket(const std::string& network_namespace) {
  UniqueFd fd;
  const Status status = load::in_namespace(network_namespace, [&]() -> Status {
    fd = UniqueFd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!fd) return load::errno_error("socket");
    return {};
  });
  if (!status) return status.error();
  // Nobody reads the answers.
  const int smallest = 0;
  const int send_buffer = 4 << 20;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &smallest, sizeof smallest);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUFFORCE, &send_buffer, sizeof send_buffer);
  return fd;
}

class Flooder {
 public:
  Flooder(const FloodSettings& settings, int fd, const std::vector<Packet>& packets,
          RandomSource& random)
      : settings_(settings), fd_(fd), packets_(packets), sources_(random.u32()) {
    to_.sin_family = AF_INET;
    to_.sin_port = htons(settings.target.port);
    std::memcpy(&to_.sin_addr, settings.target.address.bytes.data(), 4);
  }

  Result<FloodResult> run(const std::atomic<bool>& stop);

 private:
  struct alignas(cmsghdr) Control {
    std::array<std::uint8_t, CMSG_SPACE(sizeof(in_pktinfo))> bytes;
  };

  Status send(std::size_t num);
  void prepare(std::size_t i);
  void choose_source(std::size_t i);

  const FloodSettings& settings_;
  int fd_;
  const std::vector<Packet>& packets_;
  std::mt19937 sources_;
  std::size_t next_ = 0;
  sockaddr_in to_{};
  std::array<mmsghdr, kPacketsPerCall> messages_;
  std::array<iovec, kPacketsPerCall> slices_;
  std::array<Control, kPacketsPerCall> controls_;
};

void Flooder::choose_source(std::size_t i) {
  msghdr& header = messages_[i].msg_hdr;
  header.msg_control = controls_[i].bytes.data();
  header.msg_controllen = controls_[i].bytes.size();
  cmsghdr* const control = CMSG_FIRSTHDR(&header);
  control->cmsg_level = IPPROTO_IP;
  control->cmsg_type = IP_PKTINFO;
  control->cmsg_len = CMSG_LEN(sizeof(in_pktinfo));
  in_pktinfo info{};
  std::array<std::uint8_t, 4> source;
  std::copy_n(settings_.spoofed_net.bytes.begin(), 2, source.begin());
  const std::uint_fast32_t host = sources_();
  source[2] = static_cast<std::uint8_t>(host >> 8);
  source[3] = static_cast<std::uint8_t>(host);
  std::memcpy(&info.ipi_spec_dst, source.data(), source.size());
  std::memcpy(CMSG_DATA(control), &info, sizeof info);
}

void Flooder::prepare(std::size_t i) {
  const Packet& packet = packets_[next_++ % packets_.size()];
  slices_[i] = {const_cast<std::uint8_t*>(packet.data()), packet.size()};
  msghdr& header = messages_[i].msg_hdr;
  header = {};
  header.msg_name = &to_;
  header.msg_namelen = sizeof to_;
  header.msg_iov = &slices_[i];
  header.msg_iovlen = 1;
  if (!settings_.spoofed_net.is_unspecified()) choose_source(i);
}

Status Flooder::send(std::size_t num) {
  while (num > 0) {
    const std::size_t some = std::min(num, kPacketsPerCall);
    for (std::size_t i = 0; i < some; ++i) prepare(i);
    for (std::size_t done = 0; done < some;) {
      const int sent = ::sendmmsg(fd_, &messages_[done], static_cast<unsigned>(some - done), 0);
      if (sent > 0) {
        done += static_cast<std::size_t>(sent);
      } else if (errno != EINTR && errno != ECONNREFUSED && errno != ENOBUFS) {
        return load::errno_error("sending to " + settings_.target.to_string());
      }
    }
    num -= some;
  }
  return {};
}

Result<FloodResult> Flooder::run(const std::atomic<bool>& stop) {
  FloodResult result;
  const std::int64_t start = load::monotonic_ns();
  const auto longest_gap =
      static_cast<std::uint64_t>(std::max(1.0, settings_.packets_per_second * kLongestGap));
  while (!stop.load(std::memory_order_relaxed) && result.elapsed_ns < settings_.duration_ns) {
    const double seconds = static_cast<double>(result.elapsed_ns) / 1e9;
    const auto due = static_cast<std::uint64_t>(seconds * settings_.packets_per_second);
    std::uint64_t num = due - std::min(due, result.sent + result.skipped);
    if (num > longest_gap) {
      result.skipped += num - longest_gap;
      num = longest_gap;
    }
    const Status status = send(num);
    if (!status) return status.error();
    result.sent += num;
    ::nanosleep(&kTick, nullptr);
    result.elapsed_ns = load::monotonic_ns() - start;
  }
  return result;
}

}  // namespace

Result<FloodResult> flood(const FloodSettings& settings, const std::vector<Packet>& packets,
                          const std::atomic<bool>& stop, RandomSource& random) {
  const Result<UniqueFd> fd = open_socket(settings.network_namespace);
  if (!fd) return fd.error();
  return std::make_unique<Flooder>(settings, fd->get(), packets, random)->run(stop);
}

}  // namespace hawser::flood
