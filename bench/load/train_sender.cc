#include "bench/load/train_sender.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace hawser::load {
namespace {

constexpr std::size_t kControlLen = CMSG_SPACE(sizeof(std::uint16_t));
constexpr int kRoomTimeoutMs = 100;

}  // namespace

struct TrainSender::Messages {
  std::array<mmsghdr, kMaxTrainsPerSend> headers;
  std::array<iovec, kMaxTrainsPerSend> slices;
  struct alignas(cmsghdr) Control {
    std::array<std::uint8_t, kControlLen> bytes;
  };
  std::array<Control, kMaxTrainsPerSend> controls;

  void prepare(std::size_t i, std::uint8_t* data, const Train& train);
};

// A lone packet goes without the segment size: that is how a plain sender would do it.
void TrainSender::Messages::prepare(std::size_t i, std::uint8_t* data, const Train& train) {
  slices[i] = {data, train.len};
  msghdr& header = headers[i].msg_hdr;
  header = {};
  header.msg_iov = &slices[i];
  header.msg_iovlen = 1;
  if (train.num == 1) return;
  header.msg_control = controls[i].bytes.data();
  header.msg_controllen = kControlLen;
  cmsghdr* const control = CMSG_FIRSTHDR(&header);
  control->cmsg_level = IPPROTO_UDP;
  control->cmsg_type = UDP_SEGMENT;
  control->cmsg_len = CMSG_LEN(sizeof(std::uint16_t));
  const auto segment_len = static_cast<std::uint16_t>(train.segment_len);
  std::memcpy(CMSG_DATA(control), &segment_len, sizeof segment_len);
}

TrainSender::TrainSender(PeerGroup& peers, const PacketPool& pool)
    : peers_(peers), pool_(pool), messages_(std::make_unique<Messages>()) {}

TrainSender::~TrainSender() = default;

Status TrainSender::send(std::span<const Train> trains) {
  for (std::size_t i = 0; i < trains.size(); ++i) {
    messages_->prepare(i, pool_.data(trains[i]), trains[i]);
  }
  const int fd = peers_.a(trains.front().pair).fd();
  for (std::size_t done = 0; done < trains.size();) {
    ++calls_;
    const int sent = ::sendmmsg(fd, &messages_->headers[done],
                                static_cast<unsigned>(trains.size() - done), MSG_DONTWAIT);
    if (sent > 0) {
      done += static_cast<std::size_t>(sent);
      continue;
    }
    // ECONNREFUSED is what an earlier packet has met; the next call tells of this one.
    if (errno == ECONNREFUSED || errno == EINTR) continue;
    if (errno != EAGAIN && errno != ENOBUFS) {
      return Error{std::string("sending failed: ") + std::strerror(errno), errno};
    }
    pollfd room{fd, POLLOUT, 0};
    ::poll(&room, 1, kRoomTimeoutMs);
  }
  return {};
}

}  // namespace hawser::load
