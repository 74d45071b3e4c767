#include "bench/limit_tool/bare_forwarder.h"

#include <netinet/in.h>
#include <netinet/udp.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>

#include "bench/limit_tool/train_io.h"
#include "bench/load/errno_error.h"
#include "tun/unique_fd.h"

namespace hawser::limit {
namespace {

constexpr std::size_t kSlots = 64;
// While trains arrive, a few buffers are enough, and stay in the cache.
constexpr std::size_t kSlotsForTrains = 8;
// Not a power of two: else all packets would compete for the same sets of the cache.
constexpr std::size_t kStride = 65536 + 192;

class Forwarder {
 public:
  explicit Forwarder(int fd) : fd_(fd) {}

  Error run();

 private:
  std::size_t receive();
  void plan(std::size_t num);
  void add(std::size_t slot);
  bool joins(std::size_t len) const;

  int fd_;
  std::unique_ptr<std::uint8_t[]> memory_ = std::make_unique<std::uint8_t[]>(kSlots * kStride);
  std::array<mmsghdr, kSlots> in_;
  std::array<iovec, kSlots> slices_;  // received; sends consist of consecutive ones
  std::array<ControlRoom, kSlots> in_controls_;
  std::array<sockaddr_in, kSlots> from_;
  std::array<mmsghdr, kSlots> out_;
  std::array<ControlRoom, kSlots> out_controls_;
  std::size_t num_out_ = 0;
  std::size_t segment_len_ = 0;  // of the last send
  bool open_ = false;            // may packets join the last send?
  std::size_t receive_slots_ = kSlots;
  std::optional<sockaddr_in> to_;
};

std::size_t Forwarder::receive() {
  for (std::size_t i = 0; i < receive_slots_; ++i) {
    slices_[i] = {memory_.get() + i * kStride, kMaxTrainLen};
    msghdr& header = in_[i].msg_hdr;
    header = {};
    header.msg_name = &from_[i];
    header.msg_namelen = sizeof from_[i];
    header.msg_iov = &slices_[i];
    header.msg_iovlen = 1;
    header.msg_control = in_controls_[i].bytes.data();
    header.msg_controllen = in_controls_[i].bytes.size();
  }
  const int num =
      ::recvmmsg(fd_, in_.data(), static_cast<unsigned>(receive_slots_), MSG_WAITFORONE, nullptr);
  return num > 0 ? static_cast<std::size_t>(num) : 0;
}

bool Forwarder::joins(std::size_t len) const {
  if (!open_ || len != segment_len_) return false;
  const std::size_t num = out_[num_out_ - 1].msg_hdr.msg_iovlen;
  return num < kMaxSegments && (num + 1) * len <= kMaxPayload;
}

void Forwarder::add(std::size_t slot) {
  const std::size_t len = slices_[slot].iov_len;
  const std::size_t segment_len = received_segment_len(in_[slot].msg_hdr, len);
  if (segment_len == len && joins(len)) {
    msghdr& last = out_[num_out_ - 1].msg_hdr;
    if (last.msg_iovlen == 1) ask_for_segments(last, out_controls_[num_out_ - 1], len);
    ++last.msg_iovlen;
    return;
  }
  msghdr& header = out_[num_out_].msg_hdr;
  header = {};
  header.msg_name = &*to_;
  header.msg_namelen = sizeof *to_;
  header.msg_iov = &slices_[slot];
  header.msg_iovlen = 1;
  if (segment_len < len) ask_for_segments(header, out_controls_[num_out_], segment_len);
  ++num_out_;
  segment_len_ = segment_len;
  open_ = segment_len == len;
}

void Forwarder::plan(std::size_t num) {
  num_out_ = 0;
  open_ = false;
  bool any_train = false;
  for (std::size_t i = 0; i < num; ++i) {
    slices_[i].iov_len = in_[i].msg_len;
    if (in_[i].msg_len <= kHelloLen) {
      to_ = from_[i];
      open_ = false;  // the next packet's slice does not follow the last one's
      continue;
    }
    if (!to_) continue;
    add(i);
    any_train = any_train || !open_;
  }
  receive_slots_ = any_train ? kSlotsForTrains : kSlots;
}

Error Forwarder::run() {
  for (;;) {
    const std::size_t num = receive();
    if (num == 0 && errno != EINTR && errno != ECONNREFUSED) return load::errno_error("recvmmsg");
    plan(num);
    if (!send_all(fd_, out_.data(), num_out_)) return load::errno_error("sendmmsg");
  }
}

}  // namespace

Error run_bare_forwarder(std::uint16_t port) {
  const UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd) return load::errno_error("socket");
  const int on = 1;
  ::setsockopt(fd.get(), IPPROTO_UDP, UDP_GRO, &on, sizeof on);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kSocketBuffer, sizeof kSocketBuffer);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUFFORCE, &kSocketBuffer, sizeof kSocketBuffer);
  sockaddr_in own{};
  own.sin_family = AF_INET;
  own.sin_port = htons(port);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&own), sizeof own) != 0) {
    return load::errno_error("the port cannot be bound");
  }
  return std::make_unique<Forwarder>(fd.get())->run();
}

}  // namespace hawser::limit
