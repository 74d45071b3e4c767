#include "bench/limit_tool/feeder.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "bench/limit_tool/bare_forwarder.h"
#include "bench/limit_tool/train_io.h"
#include "bench/load/clock.h"
#include "bench/load/udp_socket.h"

namespace hawser::limit {
namespace {

constexpr std::size_t kReads = 32;
constexpr std::size_t kTrainsPerSend = 16;
constexpr int kWindowWaitMs = 5;
// Without an arrival for this long a full window is given up as lost.
constexpr std::int64_t kFeederStall = 50'000'000;
constexpr std::int64_t kDrainTime = 100'000'000;

class Feeder {
 public:
  Feeder(const Feed& how, UniqueFd a, UniqueFd b, const load::ProcessMeter& target);

  Status begin();
  Result<FeedResult> run(std::int64_t duration_ns);

 private:
  Status send();
  std::uint64_t receive();  // packets
  void wait_and_receive(FeedResult& result);

  const Feed& how_;
  UniqueFd a_;
  UniqueFd b_;
  const load::ProcessMeter& target_;
  std::size_t train_;
  std::vector<std::uint8_t> data_;
  iovec slice_;
  std::array<mmsghdr, kTrainsPerSend> out_;
  ControlRoom out_control_;
  std::array<mmsghdr, kReads> in_;
  std::array<std::uint8_t, kReads> in_bytes_;
  std::array<iovec, kReads> in_slices_;
  std::array<ControlRoom, kReads> in_controls_;
  std::uint64_t in_flight_ = 0;
  std::uint64_t sent_ = 0;
  std::uint64_t arrived_ = 0;
  std::uint64_t reads_ = 0;
  std::int64_t last_progress_ = 0;
};

Feeder::Feeder(const Feed& how, UniqueFd a, UniqueFd b, const load::ProcessMeter& target)
    : how_(how),
      a_(std::move(a)),
      b_(std::move(b)),
      target_(target),
      train_(std::min(kMaxSegments, kMaxPayload / how.len)),
      data_(train_ * how.len, 0x5a),
      slice_{data_.data(), data_.size()} {
  for (mmsghdr& message : out_) {
    message = {};
    message.msg_hdr.msg_iov = &slice_;
    message.msg_hdr.msg_iovlen = 1;
    ask_for_segments(message.msg_hdr, out_control_, how.len);
  }
}

Status Feeder::begin() {
  const std::uint8_t hello = 0;
  if (::send(b_.get(), &hello, kHelloLen, 0) != kHelloLen) {
    return Error{"side B cannot send", errno};
  }
  return {};
}

Status Feeder::send() {
  const std::size_t room = how_.window > in_flight_ ? (how_.window - in_flight_) / train_ : 0;
  const std::size_t num = std::clamp<std::size_t>(room, in_flight_ == 0 ? 1 : 0, kTrainsPerSend);
  if (num == 0) return {};
  in_flight_ += num * train_;
  sent_ += num * train_;
  if (send_all(a_.get(), out_.data(), num)) return {};
  return Error{std::string("sending failed: ") + std::strerror(errno), errno};
}

std::uint64_t Feeder::receive() {
  std::uint64_t packets = 0;
  for (int num = static_cast<int>(kReads); std::cmp_equal(num, kReads);) {
    for (std::size_t i = 0; i < kReads; ++i) {
      in_slices_[i] = {&in_bytes_[i], 1};
      in_[i] = {};
      in_[i].msg_hdr.msg_iov = &in_slices_[i];
      in_[i].msg_hdr.msg_iovlen = 1;
      in_[i].msg_hdr.msg_control = in_controls_[i].bytes.data();
      in_[i].msg_hdr.msg_controllen = in_controls_[i].bytes.size();
    }
    num = ::recvmmsg(b_.get(), in_.data(), kReads, MSG_DONTWAIT | MSG_TRUNC, nullptr);
    for (std::size_t i = 0; std::cmp_less(i, num); ++i) {
      const std::size_t segment_len = received_segment_len(in_[i].msg_hdr, in_[i].msg_len);
      if (segment_len > 0) packets += (in_[i].msg_len + segment_len - 1) / segment_len;
      ++reads_;
    }
  }
  arrived_ += packets;
  in_flight_ -= std::min(in_flight_, packets);
  if (packets > 0) last_progress_ = load::monotonic_ns();
  return packets;
}

void Feeder::wait_and_receive(FeedResult& result) {
  if (receive() > 0 || in_flight_ + train_ <= how_.window) return;
  pollfd arrival{b_.get(), POLLIN, 0};
  if (::poll(&arrival, 1, kWindowWaitMs) > 0) return;
  if (load::monotonic_ns() - last_progress_ < kFeederStall) return;
  ++result.stalls;
  in_flight_ = 0;
  last_progress_ = load::monotonic_ns();
}

Result<FeedResult> Feeder::run(std::int64_t duration_ns) {
  FeedResult result;
  sent_ = arrived_ = reads_ = 0;
  const load::UdpCounts udp_before = target_.udp();
  const std::int64_t cpu_before = target_.cpu_ns();
  const std::int64_t start = load::monotonic_ns();
  last_progress_ = start;
  while (load::monotonic_ns() - start < duration_ns) {
    const Status status = send();
    if (!status) return status.error();
    wait_and_receive(result);
  }
  while (in_flight_ > 0 && load::monotonic_ns() - last_progress_ < kDrainTime) {
    pollfd arrival{b_.get(), POLLIN, 0};
    ::poll(&arrival, 1, kWindowWaitMs);
    receive();
  }
  in_flight_ = 0;
  result.elapsed_ns = std::max<std::int64_t>(1, last_progress_ - start);
  result.sent = sent_;
  result.arrived = arrived_;
  result.reads = reads_;
  result.target_cpu_ns = target_.cpu_ns() - cpu_before;
  result.target_udp = target_.udp() - udp_before;
  return result;
}

}  // namespace

Result<FeedResult> feed(const Feed& how, const load::ProcessMeter& target) {
  auto a = load::open_udp_sockets_in(how.namespace_a, 1, how.forwarder_a);
  if (!a) return a.error();
  auto b = load::open_udp_sockets_in(how.namespace_b, 1, how.forwarder_b);
  if (!b) return b.error();
  const auto feeder =
      std::make_unique<Feeder>(how, std::move(a->front()), std::move(b->front()), target);
  const Status begun = feeder->begin();
  if (!begun) return begun.error();
  const Result<FeedResult> warm_up = feeder->run(how.duration_ns / 4);
  if (!warm_up) return warm_up.error();
  Result<FeedResult> result = feeder->run(how.duration_ns);
  if (result && result->arrived == 0) {
    return Error{"nothing comes through; does hawser-limit forward run at " +
                     how.forwarder_a.to_string() + "?",
                 0};
  }
  return result;
}

}  // namespace hawser::limit
