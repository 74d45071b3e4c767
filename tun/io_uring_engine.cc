#include "tun/io_uring_engine.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cassert>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

#include "tun/boot_timer.h"
#include "tun/errno_error.h"
#include "tun/receive_buffers.h"
#include "tun/system_clock.h"
#include "tun/tun_queue.h"
#include "tun/udp_sender.h"
#include "tun/unique_fd.h"
#include "tun/uring.h"

namespace hawser {
namespace {

// Twice a batch: what one wait delivers, and as much again for what comes while it is worked on.
constexpr std::size_t kReceiveSlots = 2 * kMaxTrainsPerBatch;
// The kernel fills the slots that it was given in turn. It gets only as many as hold about this
// much, the last used first, so that what a train is received into, opened and sealed in stays in a
// core's second-level cache: with all slots in turn, whole trains cost 7 % more.
constexpr std::size_t kHotLen = std::size_t{512} * 1024;
constexpr std::size_t kMinOfferedSlots = 8;
// The average length of what is received follows with this weight of the newest.
constexpr std::size_t kAverageOver = 16;
// TUN writes in one submission.
constexpr std::size_t kWritesPerSubmission = 64;
constexpr std::size_t kWriteSlices = 4 * kMaxSlicesPerWrite;
// Requests that stay armed: two receives, three polls; and their cancellations.
constexpr std::size_t kArmedRequests = 8;
constexpr unsigned kSubmissions = 128;
static_assert(kSubmissions >= kWritesPerSubmission + 2 * kArmedRequests);
// Every slot and every request can have one completion waiting.
constexpr unsigned kCompletions = 512;
static_assert(kCompletions >= kReceiveSlots + kSubmissions + 2 * kArmedRequests);

// What a completion belongs to: the upper half of its user data. The lower half says which one.
enum class Request : std::uint32_t {
  kReceive,
  kTunPoll,
  kWakePoll,
  kTimerPoll,
  kTunWrite,
  kCancel
};

constexpr std::uint64_t tag(Request request, std::uint32_t which = 0) {
  return (std::uint64_t{static_cast<std::uint32_t>(request)} << 32) | which;
}

class IoUringEngine final : public KernelEngine {
 public:
  explicit IoUringEngine(const EngineParts& parts)
      : receive_(parts.receive),
        read_tun_(parts.receive && parts.read_tun),
        tun_(parts.tun, parts.tun_has_vnet_header) {
    sockets_[0].fd = parts.udp_v4;
    sockets_[1].fd = parts.udp_v6;
    sender_.set_sockets(parts.udp_v4, parts.udp_v6);
  }
  ~IoUringEngine() override;

  Status open();

  std::string_view name() const override { return to_string(EngineKind::kIoUring); }
  void wait(InBatch& in, Duration timeout) override;
  void submit(OutBatch& out) override;
  void rest(Duration duration) override { rest_until_woken(wake_fd_.get(), duration); }
  void wake() override;
  void set_udp_sockets(int udp_v4, int udp_v6) override;
  EngineCounters counters() const override {
    return {.truncated = num_truncated_.load(std::memory_order_relaxed)};
  }

 private:
  struct Socket {
    int fd = -1;
    bool armed = false;
    msghdr header{};
  };
  // A received slot that waits to be delivered.
  struct Pending {
    std::uint16_t slot;
    std::uint32_t len;
  };

  void enable();
  void recycle();
  std::size_t wanted_slots() const;
  void arm();
  void arm_poll(bool& armed, int fd, Request request);
  void reap();
  void complete_receive(Socket& socket, const io_uring_cqe& completion);
  void complete_poll(bool& armed, bool& ready, const io_uring_cqe& completion);
  void deliver(InBatch& in);
  void deliver_one(InBatch& in, const Pending& pending);
  void cancel_all_receives();
  void write_tun(OutBatch& out);
  void flush_writes(OutBatch& out);

  bool receive_;
  bool read_tun_;
  bool enabled_ = false;
  std::thread::id thread_;
  TunQueue tun_;
  UdpSender sender_;
  UniqueFd wake_fd_;
  BootTimer timer_;
  ReceiveBuffers udp_buffers_;
  ReceiveBuffers tun_buffers_;
  std::array<Socket, 2> sockets_;  // v4, v6
  std::uint32_t first_ = 0;        // armed first
  Uring ring_;                     // after all that it points to

  bool tun_armed_ = false;
  bool wake_armed_ = false;
  bool timer_armed_ = false;
  bool tun_ready_ = false;  // a read may find something
  bool woken_ = false;
  bool timer_fired_ = false;

  // Received and not delivered, oldest first: at most every slot.
  std::array<Pending, kReceiveSlots> pending_{};
  std::size_t pending_first_ = 0;
  std::size_t num_pending_ = 0;
  std::array<std::uint16_t, kReceiveSlots> lent_{};  // slots of the current batch
  std::size_t num_lent_ = 0;
  std::array<std::uint16_t, kReceiveSlots> free_{};  // a stack
  std::size_t num_free_ = 0;
  std::size_t num_offered_ = 0;  // in the kernel's hands
  std::size_t average_len_ = 0;  // of what is received

  // The TUN writes of one submission.
  std::array<TunQueue::Prepared, kWritesPerSubmission> writes_{};
  std::array<const TunWrite*, kWritesPerSubmission> write_of_{};
  std::array<int, kWritesPerSubmission> write_errors_{};
  std::vector<iovec> write_slices_;
  std::size_t num_writes_ = 0;
  std::size_t num_write_slices_ = 0;
  std::size_t num_unfinished_ = 0;  // submitted, completion not seen
  std::size_t num_cancels_ = 0;
  std::atomic<std::uint64_t> num_truncated_{0};
};

Status IoUringEngine::open() {
  wake_fd_ = UniqueFd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!wake_fd_) return errno_error("eventfd", errno);
  if (!timer_.open()) return errno_error("timerfd_create(CLOCK_BOOTTIME)", errno);
  if (Status opened = ring_.open(kSubmissions, kCompletions); !opened) return opened;
  write_slices_.resize(kWriteSlices);
  if (!receive_) return {};
  if (!udp_buffers_.allocate(kReceiveSlots) || !tun_buffers_.allocate(kMaxTunPacketsPerBatch)) {
    return errno_error("memory for receive buffers", errno);
  }
  for (; num_free_ < kReceiveSlots; ++num_free_) {
    free_[num_free_] = static_cast<std::uint16_t>(kReceiveSlots - 1 - num_free_);
  }
  return ring_.register_buffers(udp_buffers_);
}

IoUringEngine::~IoUringEngine() {
  if (!enabled_ || thread_ != std::this_thread::get_id()) return;
  // Nothing may write into the buffers once they are unmapped.
  io_uring_sqe* const submission = ring_.next_submission();
  io_uring_prep_cancel64(submission, 0, IORING_ASYNC_CANCEL_ANY);
  submission->user_data = tag(Request::kCancel);
  ++num_cancels_;
  while (num_cancels_ > 0 || sockets_[0].armed || sockets_[1].armed || tun_armed_ || wake_armed_ ||
         timer_armed_) {
    if (const int error = io_uring_submit_and_wait(ring_.raw(), 1); error < 0 && error != -EINTR) {
      break;
    }
    reap();
  }
}

// SINGLE_ISSUER: the ring belongs to the thread that enables it.
void IoUringEngine::enable() {
  if (enabled_) return;
  thread_ = std::this_thread::get_id();
  [[maybe_unused]] const Status enabled = ring_.enable();
  assert(enabled.ok());  // the probe has done the same
  enabled_ = true;
}

void IoUringEngine::recycle() {
  if (!receive_) return;
  while (num_lent_ > 0) free_[num_free_++] = lent_[--num_lent_];
  const std::size_t wanted = wanted_slots();
  for (; num_free_ > 0 && num_offered_ < wanted; ++num_offered_) {
    ring_.offer_buffer(free_[--num_free_]);
  }
  ring_.publish_buffers();
}

std::size_t IoUringEngine::wanted_slots() const {
  return std::clamp(kHotLen / std::max<std::size_t>(1, average_len_), kMinOfferedSlots,
                    kReceiveSlots);
}

// Whatever is not armed, for the first time or because the kernel ended it (no buffers left, an
// empty datagram, an error), is armed again.
void IoUringEngine::arm() {
  arm_poll(wake_armed_, wake_fd_.get(), Request::kWakePoll);
  arm_poll(timer_armed_, timer_.fd(), Request::kTimerPoll);
  if (!receive_) return;
  if (read_tun_ && tun_.alive()) arm_poll(tun_armed_, tun_.fd(), Request::kTunPoll);
  if (num_offered_ == 0) return;  // it would end at once, for want of a buffer
  // In turn: a flood over one family, which may take all slots, cannot starve the other.
  first_ ^= 1;
  for (const std::uint32_t i : {first_, first_ ^ 1}) {
    Socket& socket = sockets_[i];
    if (socket.fd < 0 || socket.armed) continue;
    io_uring_sqe* const submission = ring_.next_submission();
    prepare_multishot_receive(submission, socket.fd, socket.header);
    submission->user_data = tag(Request::kReceive, i);
    socket.armed = true;
  }
}

void IoUringEngine::arm_poll(bool& armed, int fd, Request request) {
  if (armed) return;
  io_uring_sqe* const submission = ring_.next_submission();
  io_uring_prep_poll_multishot(submission, fd, POLLIN);
  submission->user_data = tag(request);
  armed = true;
}

void IoUringEngine::wait(InBatch& in, Duration timeout) {
  in.clear();
  enable();
  const bool block = timeout > Duration::zero();
  const Instant deadline = block ? deadline_after(boot_now(), timeout) : Instant{};
  while (true) {
    recycle();  // nothing is lent here: the last batch is done with, and this one is empty
    arm();
    if (block && num_pending_ == 0 && !tun_ready_ && !woken_) {
      timer_.fire_by(deadline);
      // A signal ends the wait, as any event.
      if (io_uring_submit_and_wait(ring_.raw(), 1) == -EINTR) woken_ = true;
    } else {
      io_uring_submit_and_get_events(ring_.raw());
    }
    reap();
    if (timer_fired_) timer_.acknowledge();
    timer_fired_ = false;
    deliver(in);
    if (!in.trains.empty() || !in.tun_packets.empty() || woken_ || !block ||
        boot_now() >= deadline) {
      break;
    }
  }
  woken_ = false;
}

void IoUringEngine::reap() {
  unsigned head = 0;
  unsigned num = 0;
  io_uring_cqe* completion = nullptr;
  io_uring_for_each_cqe(ring_.raw(), head, completion) {
    ++num;
    const auto which = static_cast<std::uint32_t>(completion->user_data);
    switch (static_cast<Request>(completion->user_data >> 32)) {
      case Request::kReceive:
        complete_receive(sockets_[which], *completion);
        break;
      case Request::kTunPoll:
        complete_poll(tun_armed_, tun_ready_, *completion);
        break;
      case Request::kWakePoll: {
        complete_poll(wake_armed_, woken_, *completion);
        std::uint64_t count = 0;
        [[maybe_unused]] const ssize_t got = read(wake_fd_.get(), &count, sizeof count);
        break;
      }
      case Request::kTimerPoll:
        complete_poll(timer_armed_, timer_fired_, *completion);
        break;
      case Request::kTunWrite:
        write_errors_[which] = completion->res < 0 ? -completion->res : 0;
        --num_unfinished_;
        break;
      case Request::kCancel:
        --num_cancels_;
        break;
    }
  }
  io_uring_cq_advance(ring_.raw(), num);
}

void IoUringEngine::complete_receive(Socket& socket, const io_uring_cqe& completion) {
  if ((completion.flags & IORING_CQE_F_MORE) == 0) socket.armed = false;
  if ((completion.flags & IORING_CQE_F_BUFFER) == 0) return;  // only an error takes no buffer
  const auto slot = static_cast<std::uint16_t>(completion.flags >> IORING_CQE_BUFFER_SHIFT);
  const std::uint32_t len = completion.res < 0 ? 0 : static_cast<std::uint32_t>(completion.res);
  assert(num_pending_ < kReceiveSlots && num_offered_ > 0);
  --num_offered_;
  average_len_ += len / kAverageOver;
  average_len_ -= average_len_ / kAverageOver;
  pending_[(pending_first_ + num_pending_++) % kReceiveSlots] = {slot, len};
}

void IoUringEngine::complete_poll(bool& armed, bool& ready, const io_uring_cqe& completion) {
  if ((completion.flags & IORING_CQE_F_MORE) == 0) armed = false;
  if (completion.res > 0) ready = true;
}

void IoUringEngine::deliver(InBatch& in) {
  while (num_pending_ > 0 && num_lent_ < kMaxTrainsPerBatch) {
    const Pending pending = pending_[pending_first_];
    pending_first_ = (pending_first_ + 1) % kReceiveSlots;
    --num_pending_;
    lent_[num_lent_++] = pending.slot;
    deliver_one(in, pending);
  }
  // The poll tells of arrivals, not of what is left: reads go on until one finds nothing.
  if (tun_ready_) tun_ready_ = !tun_.read_all(in, tun_buffers_) && tun_.alive();
}

void IoUringEngine::deliver_one(InBatch& in, const Pending& pending) {
  if (pending.len < ReceiveBuffers::kPayloadOffset) {
    // An error that took a buffer.
    num_truncated_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  io_uring_recvmsg_out meta;
  std::memcpy(&meta, udp_buffers_.slot(pending.slot), sizeof meta);
  const std::optional<ReceivedTrain> train =
      udp_buffers_.read_train(pending.slot, meta.namelen, meta.controllen,
                              pending.len - ReceiveBuffers::kPayloadOffset, meta.flags);
  if (train.has_value()) {
    in.trains.push_back(*train);
  } else {
    num_truncated_.fetch_add(1, std::memory_order_relaxed);
  }
}

void IoUringEngine::submit(OutBatch& out) {
  sender_.send(out);
  if (!out.tun().empty()) write_tun(out);
}

void IoUringEngine::write_tun(OutBatch& out) {
  enable();
  for (const TunWrite& write : out.tun()) {
    const std::size_t num_slices = tun_.num_slices(write);
    if (tun_.fd() < 0 || num_slices > kMaxSlicesPerWrite) {
      out.report_failure(write, tun_.fd() < 0 ? ENODEV : EMSGSIZE);
      continue;
    }
    if (num_writes_ == kWritesPerSubmission || num_write_slices_ + num_slices > kWriteSlices) {
      flush_writes(out);
    }
    const std::size_t i = num_writes_++;
    tun_.prepare(writes_[i], std::span(write_slices_).subspan(num_write_slices_, num_slices), out,
                 write);
    num_write_slices_ += num_slices;
    write_of_[i] = &write;
  }
  flush_writes(out);
}

void IoUringEngine::flush_writes(OutBatch& out) {
  if (num_writes_ == 1) {
    // One write is one system call either way, and the plain one is the shorter.
    write_errors_[0] = tun_.write(writes_[0]);
  } else {
    for (std::uint32_t i = 0; i < num_writes_; ++i) {
      io_uring_sqe* const submission = ring_.next_submission();
      const std::span<iovec> slices = writes_[i].slices;
      io_uring_prep_writev(submission, tun_.fd(), slices.data(),
                           static_cast<unsigned>(slices.size()), 0);
      submission->user_data = tag(Request::kTunWrite, i);
      ++num_unfinished_;
    }
    // They complete while they are submitted: the device never blocks. Should one ever not, the
    // slices must not be given back before it has.
    unsigned wait_for = 0;
    while (num_unfinished_ > 0) {
      io_uring_submit_and_wait(ring_.raw(), wait_for);
      reap();
      wait_for = 1;
    }
  }
  for (std::size_t i = 0; i < num_writes_; ++i) {
    if (write_errors_[i] != 0) out.report_failure(*write_of_[i], write_errors_[i]);
  }
  num_writes_ = 0;
  num_write_slices_ = 0;
}

void IoUringEngine::wake() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t put = write(wake_fd_.get(), &one, sizeof one);
}

void IoUringEngine::set_udp_sockets(int udp_v4, int udp_v6) {
  if (enabled_ && receive_) cancel_all_receives();
  sockets_[0].fd = udp_v4;
  sockets_[1].fd = udp_v6;
  sender_.set_sockets(udp_v4, udp_v6);
}

// A request holds its socket open, and with it the port. What had arrived stays pending.
void IoUringEngine::cancel_all_receives() {
  for (std::uint32_t i = 0; i < sockets_.size(); ++i) {
    if (!sockets_[i].armed) continue;
    io_uring_sqe* const submission = ring_.next_submission();
    io_uring_prep_cancel64(submission, tag(Request::kReceive, i), 0);
    submission->user_data = tag(Request::kCancel);
    ++num_cancels_;
  }
  while (num_cancels_ > 0 || sockets_[0].armed || sockets_[1].armed) {
    io_uring_submit_and_wait(ring_.raw(), 1);
    reap();
  }
}

}  // namespace

Result<std::unique_ptr<KernelEngine>> make_io_uring_engine(const EngineParts& parts) {
  if (Status probed = probe_io_uring(); !probed) return probed.error();
  auto engine = std::make_unique<IoUringEngine>(parts);
  const Status opened = engine->open();
  if (!opened) return opened.error();
  return std::unique_ptr<KernelEngine>(std::move(engine));
}

}  // namespace hawser
