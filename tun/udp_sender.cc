#include "tun/udp_sender.h"

#include <netinet/udp.h>
#include <poll.h>

#include <algorithm>
#include <cassert>
#include <cerrno>

namespace hawser {
namespace {

bool is_train(const UdpSend& send) { return send.len > send.segment_len; }

bool has_source(const UdpSend& send) {
  return !send.to.local_address.is_unspecified() || send.to.local_ifindex != 0;
}

// Errors that a device or path which cannot do GSO answers with: EIO (no checksum offload, IPsec),
// EINVAL or EMSGSIZE (a segment larger than the path's MTU; the number changed in Linux 6.14).
bool may_be_gso(int error) { return error == EIO || error == EINVAL || error == EMSGSIZE; }

// Errors that a source address which is gone, or no longer leads there, answers with.
bool may_be_source(int error) {
  return error == EINVAL || error == EADDRNOTAVAIL || error == ENETUNREACH ||
         error == EHOSTUNREACH || error == ENODEV || error == ENXIO;
}

bool is_full(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == ENOBUFS; }

void fill_control(SendControl& control, const UdpSend& send, bool source, bool gso) {
  control.clear();
  if (source) control.add_source(send.to);
  if (send.traffic_class != 0) {
    control.add_traffic_class(send.to.address.family, send.traffic_class);
  }
  if (gso && is_train(send)) control.add_segment_len(static_cast<std::uint16_t>(send.segment_len));
}

void fill_header(msghdr& header, SocketAddress& name, socklen_t name_len, SendControl& control,
                 std::span<iovec> slices) {
  header = msghdr{};
  header.msg_name = &name;
  header.msg_namelen = name_len;
  header.msg_iov = slices.data();
  header.msg_iovlen = slices.size();
  // A null pointer with length zero is what "none" looks like to every kernel.
  header.msg_control = control.len == 0 ? nullptr : control.bytes.data();
  header.msg_controllen = control.len;
}

// Cuts `slices` into runs of `segment_len` bytes; SegmentCutter(…).next(out) appends one run.
class SegmentCutter {
 public:
  SegmentCutter(std::span<const iovec> slices, std::size_t segment_len)
      : slices_(slices), segment_len_(segment_len) {}

  std::size_t next(std::vector<iovec>& out) {
    std::size_t left = segment_len_;
    std::size_t num = 0;
    while (left > 0 && !slices_.empty()) {
      const iovec& slice = slices_.front();
      const std::size_t take = std::min(left, slice.iov_len - used_);
      if (take > 0) {
        out.push_back({static_cast<std::uint8_t*>(slice.iov_base) + used_, take});
        ++num;
      }
      left -= take;
      used_ += take;
      if (used_ == slice.iov_len) {
        slices_ = slices_.subspan(1);
        used_ = 0;
      }
    }
    return num;
  }

 private:
  std::span<const iovec> slices_;
  std::size_t segment_len_;
  std::size_t used_ = 0;
};

}  // namespace

struct UdpSender::Messages {
  std::array<mmsghdr, kMessagesPerCall> headers{};
  std::array<SocketAddress, kMessagesPerCall> names{};
  std::array<SendControl, kMessagesPerCall> controls;
  std::array<const UdpSend*, kMessagesPerCall> sends{};
  std::array<Form, kMessagesPerCall> forms{};
  std::size_t num = 0;
};

UdpSender::UdpSender()
    : queue_(std::make_unique<Messages>()), singles_(std::make_unique<Messages>()) {
  // The slices of one train; each cut may split one slice in two.
  single_slices_.reserve(kMaxSlicesPerWrite + kMaxTrainSegments);
}

UdpSender::~UdpSender() = default;

void UdpSender::set_sockets(int udp_v4, int udp_v6) {
  const auto describe = [](int fd) {
    int value = 0;
    socklen_t len = sizeof value;
    return Socket{fd, fd >= 0 && getsockopt(fd, SOL_UDP, UDP_SEGMENT, &value, &len) == 0};
  };
  v4_ = describe(udp_v4);
  v6_ = describe(udp_v6);
}

void UdpSender::send(OutBatch& out) {
  if (out.udp().empty()) return;
  budget_ = kSendWaitBudget;
  // Order matters within a destination only, and a destination has one family.
  send_family(out, IpFamily::kV4);
  send_family(out, IpFamily::kV6);
}

UdpSender::Form UdpSender::first_form(const Socket& socket, const UdpSend& send) const {
  return {!send.gso_refused && socket.has_gso, has_source(send)};
}

void UdpSender::send_family(OutBatch& out, IpFamily family) {
  const Socket& socket = family == IpFamily::kV4 ? v4_ : v6_;
  for (const UdpSend& send : out.udp()) {
    if (send.to.address.family != family) continue;
    if (socket.fd < 0) {
      out.report(send, UdpOutcome{.error = EAFNOSUPPORT});
      continue;
    }
    assert(!is_train(send) ||
           (send.segment_len > 0 && send.len <= kMaxUdpPayload &&
            (send.len + send.segment_len - 1) / send.segment_len <= kMaxTrainSegments));
    const Form form = first_form(socket, send);
    if (is_train(send) && !form.gso) {
      flush(out, socket);  // what comes first goes first
      num_sent_ = 0;
      const int error = attempt(out, socket, send, form);
      if (error != 0) recover(out, socket, send, form, error);
      continue;
    }
    Messages& queue = *queue_;
    const std::size_t i = queue.num++;
    fill_control(queue.controls[i], send, form.source, form.gso);
    fill_header(queue.headers[i].msg_hdr, queue.names[i],
                to_socket_address(queue.names[i], send.to), queue.controls[i], out.slices(send));
    queue.sends[i] = &send;
    queue.forms[i] = form;
    if (queue.num == kMessagesPerCall) flush(out, socket);
  }
  flush(out, socket);
}

void UdpSender::flush(OutBatch& out, const Socket& socket) {
  Messages& queue = *queue_;
  std::size_t i = 0;
  while (i < queue.num) {
    const int sent = sendmmsg(socket.fd, &queue.headers[i], static_cast<unsigned>(queue.num - i),
                              MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent > 0) {
      i += static_cast<std::size_t>(sent);
      continue;
    }
    // The first of them failed; those behind it wait their turn.
    const int error = errno;
    if (error == EINTR) continue;
    if (is_full(error) && wait_for_room(socket, error)) continue;
    num_sent_ = 0;
    recover(out, socket, *queue.sends[i], queue.forms[i], error);
    ++i;
  }
  queue.num = 0;
}

// `send` was attempted in `form` and failed with `error`: tries what may still help.
void UdpSender::recover(OutBatch& out, const Socket& socket, const UdpSend& send, Form form,
                        int error) {
  UdpOutcome outcome{.error = error};
  const bool gso = form.gso && is_train(send);
  // EINVAL is said of a lost source and of a segment larger than the MTU alike: each is tried
  // alone first, so that an innocent one is not given up.
  if (form.source && may_be_source(outcome.error)) {
    outcome.error = attempt(out, socket, send, {form.gso, false});
    outcome.source_refused = outcome.error == 0;
  }
  if (outcome.error != 0 && gso && may_be_gso(error)) {
    outcome.error = attempt(out, socket, send, {false, form.source});
    outcome.gso_refused = outcome.error == 0;
  }
  if (outcome.error != 0 && gso && form.source && may_be_source(error) && may_be_gso(error)) {
    outcome.error = attempt(out, socket, send, {false, false});
    outcome.gso_refused = outcome.source_refused = outcome.error == 0;
  }
  if (is_full(outcome.error)) outcome.error = EAGAIN;
  if (outcome.error != 0) outcome.num_sent = num_sent_;
  out.report(send, outcome);
}

// 0, or the errno.
int UdpSender::attempt(OutBatch& out, const Socket& socket, const UdpSend& send, Form form) {
  return is_train(send) && !form.gso ? send_singles(out, socket, send, form)
                                     : send_whole(out, socket, send, form);
}

int UdpSender::send_whole(OutBatch& out, const Socket& socket, const UdpSend& send, Form form) {
  SocketAddress name{};
  SendControl control;
  msghdr header{};
  fill_control(control, send, form.source, form.gso);
  fill_header(header, name, to_socket_address(name, send.to), control, out.slices(send));
  while (sendmsg(socket.fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
    const int error = errno;
    if (error == EINTR) continue;
    if (!is_full(error) || !wait_for_room(socket, error)) return error;
  }
  return 0;
}

int UdpSender::send_singles(OutBatch& out, const Socket& socket, const UdpSend& send, Form form) {
  if (send.num_slices > kMaxSlicesPerWrite) return EMSGSIZE;
  Messages& singles = *singles_;
  const socklen_t name_len = to_socket_address(singles.names[0], send.to);
  fill_control(singles.controls[0], send, form.source, false);
  single_slices_.clear();
  SegmentCutter cutter(out.slices(send), send.segment_len);
  const std::size_t num = (send.len + send.segment_len - 1) / send.segment_len;
  assert(num <= kMessagesPerCall);
  for (std::size_t i = 0; i < num; ++i) {
    const std::size_t first = single_slices_.size();
    const std::size_t num_slices = cutter.next(single_slices_);
    fill_header(singles.headers[i].msg_hdr, singles.names[0], name_len, singles.controls[0],
                std::span(single_slices_).subspan(first, num_slices));
  }
  while (num_sent_ < num) {
    const int sent = sendmmsg(socket.fd, &singles.headers[num_sent_],
                              static_cast<unsigned>(num - num_sent_), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent > 0) {
      num_sent_ += static_cast<std::uint32_t>(sent);
      continue;
    }
    const int error = errno;
    if (error == EINTR) continue;
    if (!is_full(error) || !wait_for_room(socket, error)) return error;
  }
  return 0;
}

// True: worth another try. Draws on what this submit may wait in all.
bool UdpSender::wait_for_room(const Socket& socket, int error) {
  if (budget_ <= std::chrono::steady_clock::duration::zero()) return false;
  const auto before = std::chrono::steady_clock::now();
  pollfd poller{socket.fd, POLLOUT, 0};
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(budget_);
  if (error == ENOBUFS) {
    // The interface's queue is full, which the socket's POLLOUT knows nothing of.
    poll(nullptr, 0, 1);
  } else {
    poll(&poller, 1, static_cast<int>(left.count()));
  }
  budget_ -= std::chrono::steady_clock::now() - before;
  return true;
}

}  // namespace hawser
