#pragma once
#include <cstdint>
#include <vector>

#include "dataplane/train.h"
#include "routing/ip_address.h"

namespace hawser::bench {

inline constexpr std::size_t kTcpHeaderLen = 32;  // with the time stamp option
// What an MTU of 1,420 leaves.
std::uint16_t segment_payload(IpFamily family);

// A TCP super-packet with `num_segments` full segments, as a TUN read delivers it: the checksum is
// left to do. `flow` makes the source port.
struct TcpSuperPacket {
  std::vector<std::uint8_t> bytes;
  TunOffload offload;
};
TcpSuperPacket make_tcp_super_packet(IpFamily family, std::uint32_t num_segments,
                                     std::uint16_t flow);

// Its segments, complete.
std::vector<std::vector<std::uint8_t>> cut(const TcpSuperPacket& packet);

}  // namespace hawser::bench
