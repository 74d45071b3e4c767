#include "tun/netlink_socket.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "tun/errno_error.h"

namespace hawser {
namespace {

// The kernel packs up to 32 KiB of a dump into one read when it is offered that much.
constexpr std::size_t kBufferLen = 65536;
// Room for the burst of a routing daemon's start; beyond it an overrun makes us dump.
constexpr int kEventBufferLen = 4 << 20;
// A dump that a change interrupts is begun anew; under constant change the last one has to do,
// since the changes themselves arrive as events.
constexpr int kDumpAttempts = 4;

int visit_message(const nlmsghdr* message, void* visit) {
  (*static_cast<const NetlinkSocket::Visit*>(visit))(*message);
  return MNL_CB_OK;
}

}  // namespace

NetlinkSocket::NetlinkSocket()
    : buffer_(std::make_unique_for_overwrite<std::uint8_t[]>(kBufferLen)) {}
NetlinkSocket::~NetlinkSocket() = default;

Status NetlinkSocket::open(std::uint32_t groups) {
  socket_.reset(mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | (groups != 0 ? SOCK_NONBLOCK : 0)));
  if (socket_ == nullptr) return errno_error("netlink socket", errno);
  if (groups != 0) {
    const int fd = mnl_socket_get_fd(socket_.get());
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &kEventBufferLen, sizeof kEventBufferLen) < 0) {
      setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kEventBufferLen, sizeof kEventBufferLen);
    }
  }
  if (mnl_socket_bind(socket_.get(), groups, MNL_SOCKET_AUTOPID) < 0) {
    return errno_error("netlink bind", errno);
  }
  return {};
}

int NetlinkSocket::fd() const { return mnl_socket_get_fd(socket_.get()); }

Status NetlinkSocket::dump(std::uint16_t type, const Visit& visit) {
  Status result;
  for (int attempt = 0; attempt < kDumpAttempts; ++attempt) {
    result = dump_once(type, visit);
    if (result.ok() || result.error().code != EINTR) return result;
  }
  return {};
}

Status NetlinkSocket::dump_once(std::uint16_t type, const Visit& visit) {
  alignas(nlmsghdr) std::array<std::uint8_t, 256> space{};
  nlmsghdr* const request = mnl_nlmsg_put_header(space.data());
  request->nlmsg_type = type;
  request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request->nlmsg_seq = ++sequence_;
  // ifinfomsg, ifaddrmsg and rtmsg all begin with the family, and AF_UNSPEC asks for all.
  mnl_nlmsg_put_extra_header(request, sizeof(rtmsg));
  if (mnl_socket_sendto(socket_.get(), request, request->nlmsg_len) < 0) {
    return errno_error("netlink dump", errno);
  }
  return receive_answer(request->nlmsg_seq, visit);
}

Status NetlinkSocket::change(nlmsghdr& request) {
  request.nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
  request.nlmsg_seq = ++sequence_;
  if (mnl_socket_sendto(socket_.get(), &request, request.nlmsg_len) < 0) {
    return errno_error("netlink request", errno);
  }
  return receive_answer(request.nlmsg_seq, [](const nlmsghdr&) {});
}

Status NetlinkSocket::receive_answer(std::uint32_t sequence, const Visit& visit) {
  Visit visitor = visit;
  bool interrupted = false;
  while (true) {
    const ssize_t len = mnl_socket_recvfrom(socket_.get(), buffer_.get(), kBufferLen);
    if (len < 0 && errno == EINTR) continue;
    if (len < 0) return errno_error("netlink answer", errno);
    // An interrupted dump is read to its end all the same: the next one uses the same socket.
    int verdict = MNL_CB_OK;
    const auto* message = static_cast<const nlmsghdr*>(static_cast<const void*>(buffer_.get()));
    int left = static_cast<int>(len);
    for (; verdict == MNL_CB_OK && mnl_nlmsg_ok(message, left);
         message = mnl_nlmsg_next(message, &left)) {
      if (message->nlmsg_seq != sequence) continue;
      if ((message->nlmsg_flags & NLM_F_DUMP_INTR) != 0) interrupted = true;
      if (message->nlmsg_type == NLMSG_DONE) verdict = MNL_CB_STOP;
      if (message->nlmsg_type == NLMSG_ERROR) {
        const auto* const error = static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(message));
        if (error->error != 0) return errno_error("netlink", -error->error);
        verdict = MNL_CB_STOP;
      }
      if (message->nlmsg_type >= NLMSG_MIN_TYPE) visit_message(message, &visitor);
    }
    if (verdict == MNL_CB_STOP) break;
  }
  if (interrupted) return Error{"netlink dump interrupted by a change", EINTR};
  return {};
}

Status NetlinkSocket::read_events(const Visit& visit, bool& overrun) {
  Visit visitor = visit;
  overrun = false;
  while (true) {
    const ssize_t len = mnl_socket_recvfrom(socket_.get(), buffer_.get(), kBufferLen);
    if (len < 0 && errno == EINTR) continue;
    if (len < 0 && errno == ENOBUFS) {
      overrun = true;
      continue;
    }
    if (len < 0 && errno == EAGAIN) return {};
    if (len < 0) return errno_error("netlink events", errno);
    mnl_cb_run(buffer_.get(), static_cast<std::size_t>(len), 0, 0, visit_message, &visitor);
  }
}

}  // namespace hawser
