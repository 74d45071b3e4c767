#include "tun/epoll_engine.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>

#include "tun/boot_timer.h"
#include "tun/errno_error.h"
#include "tun/receive_buffers.h"
#include "tun/system_clock.h"
#include "tun/tun_queue.h"
#include "tun/udp_sender.h"
#include "tun/unique_fd.h"

namespace hawser {
namespace {

class EpollEngine final : public KernelEngine {
 public:
  explicit EpollEngine(const EngineParts& parts)
      : receive_(parts.receive),
        read_tun_(parts.receive && parts.read_tun),
        udp_{parts.udp_v4, parts.udp_v6},
        tun_(parts.tun, parts.tun_has_vnet_header) {
    sender_.set_sockets(parts.udp_v4, parts.udp_v6);
  }

  Status open();

  std::string_view name() const override { return to_string(EngineKind::kEpoll); }
  void wait(InBatch& in, Duration timeout) override;
  void submit(OutBatch& out) override;
  void rest(Duration duration) override { rest_until_woken(wake_.get(), duration); }
  void wake() override;
  void set_udp_sockets(int udp_v4, int udp_v6) override;
  EngineCounters counters() const override {
    return {.truncated = num_truncated_.load(std::memory_order_relaxed)};
  }

 private:
  // What became ready, one bit each: the event's data.
  enum Ready : std::uint32_t { kUdpV4 = 1, kUdpV6 = 2, kTun = 4, kWake = 8, kTimer = 16 };
  static constexpr std::size_t kNumDescriptors = 5;

  bool watch(int fd, Ready what);
  std::uint32_t poll(bool block);
  void receive(InBatch& in, std::size_t which);
  void read_tun(InBatch& in);
  void prepare_messages();

  bool receive_;
  bool read_tun_;
  std::array<int, 2> udp_;  // v4, v6
  std::size_t first_ = 0;   // which of them is read first
  TunQueue tun_;
  UniqueFd epoll_;
  UniqueFd wake_;
  BootTimer timer_;
  UdpSender sender_;
  ReceiveBuffers udp_buffers_;
  ReceiveBuffers tun_buffers_;
  std::size_t used_ = 0;  // of udp_buffers_, by the current batch
  std::array<mmsghdr, kMaxTrainsPerBatch> messages_{};
  std::array<iovec, kMaxTrainsPerBatch> payloads_{};
  std::array<iovec, kMaxSlicesPerWrite> write_slices_{};
  std::atomic<std::uint64_t> num_truncated_{0};
};

Status EpollEngine::open() {
  epoll_ = UniqueFd(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_) return errno_error("epoll_create1", errno);
  wake_ = UniqueFd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!wake_) return errno_error("eventfd", errno);
  if (!timer_.open()) return errno_error("timerfd_create(CLOCK_BOOTTIME)", errno);
  bool watched = watch(wake_.get(), kWake) && watch(timer_.fd(), kTimer);
  if (receive_) {
    if (!udp_buffers_.allocate(kMaxTrainsPerBatch) ||
        !tun_buffers_.allocate(kMaxTunPacketsPerBatch)) {
      return errno_error("memory for receive buffers", errno);
    }
    prepare_messages();
    watched = watched && watch(udp_[0], kUdpV4) && watch(udp_[1], kUdpV6) &&
              (!read_tun_ || watch(tun_.fd(), kTun));
  }
  if (!watched) return errno_error("epoll_ctl", errno);
  return {};
}

bool EpollEngine::watch(int fd, Ready what) {
  if (fd < 0) return true;
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u32 = what;
  return epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

void EpollEngine::prepare_messages() {
  for (std::size_t i = 0; i < messages_.size(); ++i) {
    payloads_[i] = {udp_buffers_.payload(i), ReceiveBuffers::kPayloadLen};
    msghdr& header = messages_[i].msg_hdr;
    header.msg_name = udp_buffers_.name(i);
    header.msg_iov = &payloads_[i];
    header.msg_iovlen = 1;
    header.msg_control = udp_buffers_.control(i);
  }
}

void EpollEngine::wait(InBatch& in, Duration timeout) {
  in.clear();
  used_ = 0;
  const bool block = timeout > Duration::zero();
  const Instant deadline = block ? deadline_after(boot_now(), timeout) : Instant{};
  while (true) {
    if (block) timer_.fire_by(deadline);
    const std::uint32_t ready = poll(block);
    if ((ready & kTimer) != 0) timer_.acknowledge();
    if ((ready & kWake) != 0) {
      std::uint64_t count = 0;
      [[maybe_unused]] const ssize_t got = read(wake_.get(), &count, sizeof count);
    }
    // The two take turns, so that a flood over one family cannot starve the other.
    first_ ^= 1;
    for (const std::size_t which : {first_, first_ ^ 1}) {
      if ((ready & (which == 0 ? kUdpV4 : kUdpV6)) != 0) receive(in, which);
    }
    if ((ready & kTun) != 0) read_tun(in);
    // Only a timer that was set for an earlier wait ends nothing.
    if (ready != kTimer || boot_now() >= deadline) return;
  }
}

std::uint32_t EpollEngine::poll(bool block) {
  std::array<epoll_event, kNumDescriptors> events{};
  const int num =
      epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), block ? -1 : 0);
  std::uint32_t ready = 0;
  for (int i = 0; i < num; ++i) ready |= events[static_cast<std::size_t>(i)].data.u32;
  return ready;
}

void EpollEngine::receive(InBatch& in, std::size_t which) {
  for (std::size_t i = used_; i < messages_.size(); ++i) {
    messages_[i].msg_hdr.msg_namelen = ReceiveBuffers::kNameLen;
    messages_[i].msg_hdr.msg_controllen = kReceiveControlLen;
  }
  if (used_ == messages_.size()) return;
  const int num = recvmmsg(udp_[which], &messages_[used_],
                           static_cast<unsigned>(messages_.size() - used_), MSG_DONTWAIT, nullptr);
  for (int n = 0; n < num; ++n) {
    const std::size_t i = used_++;
    const msghdr& header = messages_[i].msg_hdr;
    const std::optional<ReceivedTrain> train =
        udp_buffers_.read_train(i, header.msg_namelen, header.msg_controllen, messages_[i].msg_len,
                                static_cast<unsigned>(header.msg_flags));
    if (train.has_value()) {
      in.trains.push_back(*train);
    } else {
      num_truncated_.fetch_add(1, std::memory_order_relaxed);
    }
  }
}

void EpollEngine::read_tun(InBatch& in) {
  tun_.read_all(in, tun_buffers_);
  if (!tun_.alive()) epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, tun_.fd(), nullptr);
}

void EpollEngine::submit(OutBatch& out) {
  sender_.send(out);
  for (const TunWrite& write : out.tun()) {
    const std::size_t num_slices = tun_.num_slices(write);
    if (tun_.fd() < 0 || num_slices > write_slices_.size()) {
      out.report_failure(write, tun_.fd() < 0 ? ENODEV : EMSGSIZE);
      continue;
    }
    TunQueue::Prepared prepared;
    tun_.prepare(prepared, std::span(write_slices_).first(num_slices), out, write);
    const int error = tun_.write(prepared);
    if (error != 0) out.report_failure(write, error);
  }
}

void EpollEngine::wake() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t put = write(wake_.get(), &one, sizeof one);
}

void EpollEngine::set_udp_sockets(int udp_v4, int udp_v6) {
  if (receive_) {
    for (const int old : udp_) {
      if (old >= 0) epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, old, nullptr);
    }
  }
  udp_ = {udp_v4, udp_v6};
  sender_.set_sockets(udp_v4, udp_v6);
  if (receive_) {
    watch(udp_v4, kUdpV4);
    watch(udp_v6, kUdpV6);
  }
}

}  // namespace

Result<std::unique_ptr<KernelEngine>> make_epoll_engine(const EngineParts& parts) {
  auto engine = std::make_unique<EpollEngine>(parts);
  const Status opened = engine->open();
  if (!opened) return opened.error();
  return std::unique_ptr<KernelEngine>(std::move(engine));
}

}  // namespace hawser
