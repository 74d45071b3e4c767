#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "tun/unique_fd.h"

namespace hawser {

// One worker's sockets: both bound to the wildcard address and the same port. Either may be absent
// on a host without that family, not both.
struct UdpSocketPair {
  UniqueFd v4;
  UniqueFd v6;  // IPV6_V6ONLY
};

struct UdpSocketGroup {
  std::vector<UdpSocketPair> workers;
  // For all that is not transport data (tun/handshake_steering.h); neither is there when that was
  // not asked for, or the kernel cannot do it: then it comes to the workers as well.
  UdpSocketPair handshakes;
  std::uint16_t port = 0;

  bool is_steered() const { return handshakes.v4.valid() || handshakes.v6.valid(); }
  // What the handshake thread sends with.
  const UdpSocketPair& for_handshakes() const {
    return is_steered() ? handshakes : workers.front();
  }
};

enum class Steering : std::uint8_t {
  kNone,
  kHandshakesApart,        // where the kernel can
  kHandshakesApartOrFail,  // for one whose handshake thread receives already
};

// Opens SO_REUSEPORT sockets for every worker, non-blocking, with GRO, PKTINFO, TOS/TCLASS and a
// large buffer. Port 0: a random one, tried up to 100 times until both families have it. The first
// bind is made without SO_REUSEPORT's help, so that a foreign (or our own other) socket on the port
// is noticed: EADDRINUSE, and the message names the holder where it can be known.
// fwmark 0 asks for no privilege.
Result<UdpSocketGroup> open_udp_sockets(std::size_t num_workers, std::uint16_t port,
                                        std::uint32_t fwmark, Steering steering = Steering::kNone);

Status set_fwmark(const UdpSocketGroup& group, std::uint32_t fwmark);

// Datagrams that came while a socket's buffer was full, over all sockets of the group.
std::uint64_t count_overflows(const UdpSocketGroup& group);

// "pid 812 (wireguard-go)" for whoever holds the UDP port in this network namespace; empty when it
// cannot be known.
std::string find_port_holder(std::uint16_t port);

}  // namespace hawser
