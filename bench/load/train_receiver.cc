#include "bench/load/train_receiver.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/wire.h"
#include "bench/load/clock.h"
#include "noise/messages.h"

namespace hawser::load {
namespace {

constexpr std::size_t kSlotsPerCall = 32;
constexpr std::size_t kMaxEvents = 64;
constexpr std::size_t kHeadLen = 2048;  // the first packet of a train, whole
constexpr std::size_t kWholeLen = 65536;
constexpr std::size_t kReceivedControlLen = 64;
constexpr std::uint64_t kOpenEvery = 16;
constexpr std::uint64_t kOpenWholeEvery = 256;
// Enough for percentiles; later ones are left out.
constexpr std::size_t kMaxLatencies = std::size_t{1} << 22;

}  // namespace

// Slot 0 has room for a whole train, and is given it each kOpenWholeEvery-th call.
struct TrainReceiver::Slots {
  std::array<mmsghdr, kSlotsPerCall> headers;
  std::array<iovec, kSlotsPerCall> slices;
  struct alignas(cmsghdr) Control {
    std::array<std::uint8_t, kReceivedControlLen> bytes;
  };
  std::array<Control, kSlotsPerCall> controls;
  std::array<std::array<std::uint8_t, kHeadLen>, kSlotsPerCall> heads;
  std::array<std::uint8_t, kWholeLen> whole;

  void prepare(bool first_whole);
  std::uint8_t* data(std::size_t i) { return static_cast<std::uint8_t*>(slices[i].iov_base); }
  std::size_t room(std::size_t i) const { return slices[i].iov_len; }
  std::size_t segment_len(std::size_t i);
};

void TrainReceiver::Slots::prepare(bool first_whole) {
  for (std::size_t i = 0; i < kSlotsPerCall; ++i) {
    slices[i] = {heads[i].data(), kHeadLen};
    if (i == 0 && first_whole) slices[i] = {whole.data(), kWholeLen};
    msghdr& header = headers[i].msg_hdr;
    header = {};
    header.msg_iov = &slices[i];
    header.msg_iovlen = 1;
    header.msg_control = controls[i].bytes.data();
    header.msg_controllen = kReceivedControlLen;
  }
}

std::size_t TrainReceiver::Slots::segment_len(std::size_t i) {
  msghdr& header = headers[i].msg_hdr;
  for (cmsghdr* at = CMSG_FIRSTHDR(&header); at != nullptr; at = CMSG_NXTHDR(&header, at)) {
    if (at->cmsg_level != IPPROTO_UDP || at->cmsg_type != UDP_GRO) continue;
    int segment_len = 0;
    std::memcpy(&segment_len, CMSG_DATA(at), sizeof segment_len);
    if (segment_len > 0) return static_cast<std::size_t>(segment_len);
  }
  return headers[i].msg_len;
}

TrainReceiver::TrainReceiver(PeerGroup& peers, const PacketPool& pool, Aead& aead)
    : peers_(peers),
      pool_(pool),
      aead_(aead),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      slots_(std::make_unique<Slots>()),
      progress_(peers.num_pairs()) {
  for (std::size_t pair = 0; pair < peers.num_pairs(); ++pair) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = pair;
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, peers.b(pair).fd(), &event);
  }
}

TrainReceiver::~TrainReceiver() = default;

std::uint32_t TrainReceiver::receive(std::int64_t timeout_ns) {
  std::array<epoll_event, kMaxEvents> events;
  const timespec timeout{timeout_ns / kNanosPerSecond, timeout_ns % kNanosPerSecond};
  const int num = ::epoll_pwait2(epoll_.get(), events.data(), kMaxEvents, &timeout, nullptr);
  std::uint32_t packets = 0;
  for (std::size_t i = 0; std::cmp_less(i, num); ++i) packets += read_socket(events[i].data.u64);
  return packets;
}

std::uint32_t TrainReceiver::read_socket(std::size_t pair) {
  std::uint32_t packets = 0;
  for (;;) {
    slots_->prepare(counts_.calls % kOpenWholeEvery == 0);
    const int num = ::recvmmsg(peers_.b(pair).fd(), slots_->headers.data(), kSlotsPerCall,
                               MSG_DONTWAIT | MSG_TRUNC, nullptr);
    if (num <= 0) return packets;
    last_arrival_ = monotonic_ns();
    ++counts_.calls;
    for (std::size_t i = 0; std::cmp_less(i, num); ++i) packets += take(pair, i);
    if (std::cmp_less(num, kSlotsPerCall)) return packets;
  }
}

// One train. Returns how many data packets it is.
std::uint32_t TrainReceiver::take(std::size_t pair, std::size_t slot) {
  const std::size_t len = slots_->headers[slot].msg_len;
  const std::size_t segment_len = std::min(slots_->segment_len(slot), len);
  const std::size_t head_len = std::min(len, slots_->room(slot));
  std::uint8_t* const data = slots_->data(slot);
  const auto first = std::span(data, std::min(segment_len, head_len));
  if (classify_message(first) != MessageType::kTransportData || len == kTransportOverhead) {
    ++counts_.control;
    peers_.b(pair).receive_control(first);
    return 0;
  }
  Progress& progress = progress_[pair];
  const Keypair& keypair = *peers_.b(pair).keypair();
  if (progress.local_index != keypair.local_index) progress = {0, 0, keypair.local_index};
  if (load_le32(data + 4) != keypair.local_index) {
    ++counts_.foreign;
    return 0;
  }
  auto num = static_cast<std::uint32_t>((len + segment_len - 1) / segment_len);
  // A keepalive may close a train.
  if (num > 1 && len - (num - 1) * segment_len == kTransportOverhead) {
    --num;
    ++counts_.control;
  }
  const std::uint64_t counter = load_le64(data + 8);
  if (counter < progress.next_counter) ++counts_.reordered;
  progress.next_counter = counter + num;

  ++counts_.reads;
  counts_.packets += num;
  if (head_len == len && slots_->room(slot) == kWholeLen) {
    for (std::size_t at = 0; at < len; at += segment_len) {
      sample(pair, data + at, std::min(segment_len, len - at));
    }
  } else if (sent_at_ != nullptr || counts_.reads % kOpenEvery == 0) {
    sample(pair, data, first.size());
  }
  return num;
}

void TrainReceiver::sample(std::size_t pair, std::uint8_t* segment, std::size_t len) {
  if (len <= kTransportOverhead) return;
  AeadJob job;
  job.data = segment + sizeof(TransportHeader);
  job.len = static_cast<std::uint32_t>(len - kTransportOverhead);
  job.counter = load_le64(segment + 8);
  job.key = &peers_.b(pair).keypair()->receive_key();
  aead_.open({&job, 1});
  ++counts_.opened;
  if (!job.ok) {
    ++counts_.unopenable;
    return;
  }
  std::uint32_t index = 0;
  const InnerFault fault = pool_.check({job.data, job.len}, pair, index);
  ++counts_.faults[static_cast<std::size_t>(fault)];
  if (fault != InnerFault::kNone) return;
  Progress& progress = progress_[pair];
  const std::uint64_t number = pool_.number_of(index);
  if (number < progress.next_number) ++counts_.reordered;
  progress.next_number = number + 1;
  if (sent_at_ != nullptr) note_latency(index);
}

void TrainReceiver::note_latency(std::uint32_t index) {
  const std::int64_t sent = (*sent_at_)[pool_.train_of(index)];
  if (sent != 0 && latencies_.size() < kMaxLatencies) {
    latencies_.push_back(last_arrival_ - sent);
  }
}

std::vector<std::int64_t> TrainReceiver::take_latencies() { return std::exchange(latencies_, {}); }

}  // namespace hawser::load
