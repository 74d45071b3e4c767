#pragma once
// What the forwarder and the feeder share: the control messages of UDP GRO and GSO.
#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstdint>

namespace hawser::limit {

inline constexpr std::size_t kMaxTrainLen = 65535;
// UDP_MAX_SEGMENTS, and the longest payload that a send may have.
inline constexpr std::size_t kMaxSegments = 64;
inline constexpr std::size_t kMaxPayload = 65535 - 40 - 8;
inline constexpr int kSocketBuffer = 64 << 20;

// Room for one control message.
struct alignas(cmsghdr) ControlRoom {
  std::array<std::uint8_t, 64> bytes;
};

// The length of the segments that a received message consists of; its own length if it is no train.
std::size_t received_segment_len(msghdr& header, std::size_t len);
// Has the kernel cut what is sent into segments.
void ask_for_segments(msghdr& header, ControlRoom& room, std::size_t segment_len);

// Sends all of `num` messages; waits for room. False: the socket refuses (errno).
bool send_all(int fd, mmsghdr* messages, std::size_t num);

}  // namespace hawser::limit
