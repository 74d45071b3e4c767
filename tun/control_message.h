#pragma once
// Ancillary data of UDP sockets (cmsg(3), ip(7), ipv6(7), udp(7)).
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "dataplane/train.h"

namespace hawser {

// SendControl holds what goes beside one sendmsg: sticky source, traffic class, segment length.
struct SendControl {
  static constexpr std::size_t kCapacity =
      CMSG_SPACE(sizeof(in6_pktinfo)) + CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(std::uint16_t));
  alignas(cmsghdr) std::array<std::uint8_t, kCapacity> bytes;
  std::size_t len = 0;

  void clear() { len = 0; }
  // IP_PKTINFO or IPV6_PKTINFO from `to`'s local half; nothing when it has none.
  //
  // An interface index in PKTINFO overrides the routing table: a packet would go on leaving
  // through the interface where the peer was last heard after the route has moved elsewhere. So,
  // as the kernel module, only the address is pinned and the route is looked up with it as the
  // source; the index counts where the address means nothing without it (link-local), or where
  // it is all there is.
  void add_source(const Endpoint& to);
  void add_traffic_class(IpFamily family, std::uint8_t traffic_class);
  void add_segment_len(std::uint16_t segment_len);  // UDP_SEGMENT

 private:
  void add(int level, int type, const void* data, std::size_t data_len);
};

// Room that the receiving side needs: PKTINFO, TOS or TCLASS, UDP_GRO, and some for what the kernel
// may add one day.
inline constexpr std::size_t kReceiveControlLen = 208;

// Fills the local half of train.remote, traffic_class and segment_len (= train.len, which is set,
// when no UDP_GRO says otherwise) from a received message's control data.
void read_receive_control(ReceivedTrain& train, void* control, std::size_t control_len);

}  // namespace hawser
