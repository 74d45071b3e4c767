#include "tun/uring.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cassert>
#include <cerrno>
#include <fstream>
#include <string>

#include "tun/errno_error.h"
#include "tun/unique_fd.h"

namespace hawser {
namespace {

constexpr unsigned kProbeEntries = 4;

// "io_uring_setup: Operation not permitted (kernel.io_uring_disabled=2)"
Error setup_error(int code) {
  Error error = errno_error("io_uring_setup", code);
  if (code == EINVAL) error.message += " (needs Linux 6.1)";
  if (code == EPERM || code == EACCES) {
    std::ifstream file("/proc/sys/kernel/io_uring_disabled");
    std::string disabled;
    if (file >> disabled && disabled != "0") {
      error.message += " (kernel.io_uring_disabled=" + disabled + ")";
    } else {
      error.message += " (a seccomp filter or security policy)";
    }
  }
  return error;
}

}  // namespace

Uring::~Uring() {
  if (is_open_) io_uring_queue_exit(&ring_);
  if (buffer_ring_ != nullptr) munmap(buffer_ring_, buffer_ring_len_);
}

Status Uring::open(unsigned num_submissions, unsigned num_completions) {
  io_uring_params params{};
  params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_R_DISABLED |
                 IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL;
  params.cq_entries = num_completions;
  const int error = io_uring_queue_init_params(num_submissions, &ring_, &params);
  if (error < 0) return setup_error(-error);
  is_open_ = true;
  return {};
}

Status Uring::register_buffers(const ReceiveBuffers& buffers) {
  const std::size_t num = buffers.num_slots();
  assert((num & (num - 1)) == 0);
  buffer_ring_len_ = num * sizeof(io_uring_buf);
  void* const memory =
      mmap(nullptr, buffer_ring_len_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return errno_error("memory for the buffer ring", errno);
  buffer_ring_ = static_cast<io_uring_buf_ring*>(memory);
  io_uring_buf_ring_init(buffer_ring_);
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<std::uintptr_t>(memory);
  registration.ring_entries = static_cast<unsigned>(num);
  registration.bgid = kBufferGroup;
  const int error = io_uring_register_buf_ring(&ring_, &registration, 0);
  if (error < 0) return errno_error("io_uring buffer ring", -error);
  buffers_ = &buffers;
  return {};
}

Status Uring::enable() {
  // liburing 2.3 declares io_uring_enable_rings() but does not export it.
  if (syscall(__NR_io_uring_register, ring_.ring_fd, IORING_REGISTER_ENABLE_RINGS, nullptr, 0) <
      0) {
    return errno_error("IORING_REGISTER_ENABLE_RINGS", errno);
  }
  return {};
}

io_uring_sqe* Uring::next_submission() {
  io_uring_sqe* submission = io_uring_get_sqe(&ring_);
  while (submission == nullptr) {
    io_uring_submit(&ring_);
    submission = io_uring_get_sqe(&ring_);
  }
  return submission;
}

void Uring::offer_buffer(std::uint16_t i) {
  io_uring_buf_ring_add(buffer_ring_, buffers_->slot(i),
                        static_cast<unsigned>(ReceiveBuffers::kSlotLen), i,
                        static_cast<int>(buffers_->num_slots()) - 1, num_unpublished_);
  ++num_unpublished_;
}

void Uring::publish_buffers() {
  if (num_unpublished_ == 0) return;
  io_uring_buf_ring_advance(buffer_ring_, num_unpublished_);
  num_unpublished_ = 0;
}

void prepare_multishot_receive(io_uring_sqe* submission, int socket, msghdr& header) {
  header = msghdr{};
  header.msg_namelen = ReceiveBuffers::kNameLen;
  header.msg_controllen = kReceiveControlLen;
  io_uring_prep_recvmsg_multishot(submission, socket, &header, 0);
  submission->flags |= IOSQE_BUFFER_SELECT;
  submission->buf_group = Uring::kBufferGroup;
}

Status probe_io_uring() {
  ReceiveBuffers buffers;
  if (!buffers.allocate(kProbeEntries)) return errno_error("memory for the probe", errno);
  Uring ring;
  if (Status opened = ring.open(kProbeEntries, 2 * kProbeEntries); !opened) return opened;
  if (Status registered = ring.register_buffers(buffers); !registered) return registered;
  ring.offer_buffer(0);
  ring.publish_buffers();
  if (Status enabled = ring.enable(); !enabled) return enabled;

  // A pair of its own: it needs no interface, no address and no port.
  std::array<int, 2> pair{};
  if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair.data()) < 0) {
    return errno_error("socketpair", errno);
  }
  const UniqueFd receiver(pair[0]);
  const UniqueFd sender(pair[1]);
  if (send(sender.get(), "probe", 5, MSG_NOSIGNAL) != 5) return errno_error("send", errno);

  msghdr header{};
  prepare_multishot_receive(ring.next_submission(), receiver.get(), header);
  io_uring_cqe* completion = nullptr;
  __kernel_timespec patience{1, 0};
  const int error =
      io_uring_submit_and_wait_timeout(ring.raw(), &completion, 1, &patience, nullptr);
  if (error < 0) return errno_error("io_uring_enter", -error);
  if (completion == nullptr) return Error{"io_uring_enter: no completion", ETIME};
  if (completion->res < 0) return errno_error("multishot recvmsg", -completion->res);
  if ((completion->flags & IORING_CQE_F_MORE) == 0 ||
      (completion->flags & IORING_CQE_F_BUFFER) == 0) {
    return Error{"multishot recvmsg: not supported", EOPNOTSUPP};
  }
  return {};
}

}  // namespace hawser
