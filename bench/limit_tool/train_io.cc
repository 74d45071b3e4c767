#include "bench/limit_tool/train_io.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>

#include <cerrno>
#include <cstring>

namespace hawser::limit {
namespace {

constexpr int kRoomTimeoutMs = 100;

}  // namespace

std::size_t received_segment_len(msghdr& header, std::size_t len) {
  for (cmsghdr* at = CMSG_FIRSTHDR(&header); at != nullptr; at = CMSG_NXTHDR(&header, at)) {
    if (at->cmsg_level != IPPROTO_UDP || at->cmsg_type != UDP_GRO) continue;
    int segment_len = 0;
    std::memcpy(&segment_len, CMSG_DATA(at), sizeof segment_len);
    if (segment_len > 0) return static_cast<std::size_t>(segment_len);
  }
  return len;
}

void ask_for_segments(msghdr& header, ControlRoom& room, std::size_t segment_len) {
  header.msg_control = room.bytes.data();
  header.msg_controllen = CMSG_SPACE(sizeof(std::uint16_t));
  cmsghdr* const control = CMSG_FIRSTHDR(&header);
  control->cmsg_level = IPPROTO_UDP;
  control->cmsg_type = UDP_SEGMENT;
  control->cmsg_len = CMSG_LEN(sizeof(std::uint16_t));
  const auto value = static_cast<std::uint16_t>(segment_len);
  std::memcpy(CMSG_DATA(control), &value, sizeof value);
}

bool send_all(int fd, mmsghdr* messages, std::size_t num) {
  for (std::size_t done = 0; done < num;) {
    const int sent =
        ::sendmmsg(fd, messages + done, static_cast<unsigned>(num - done), MSG_DONTWAIT);
    if (sent > 0) {
      done += static_cast<std::size_t>(sent);
      continue;
    }
    // ECONNREFUSED is what an earlier packet has met; the next call tells of this one.
    if (errno == ECONNREFUSED || errno == EINTR) continue;
    if (errno != EAGAIN && errno != ENOBUFS) return false;
    pollfd room{fd, POLLOUT, 0};
    ::poll(&room, 1, kRoomTimeoutMs);
  }
  return true;
}

}  // namespace hawser::limit
