#pragma once
// An inner packet on its way out. Internal to dataplane/.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dataplane/limits.h"
#include "dataplane/train.h"
#include "noise/constants.h"
#include "noise/messages.h"
#include "routing/ip_packet.h"

namespace hawser {

// The longest inner packet that a datagram can hold, whatever the interface's MTU is.
inline constexpr std::uint32_t kMaxInnerPacketLen = kMaxUdpPayload - kTransportOverhead;

// Padding on send: zeros to a multiple of 16, capped at the MTU (paper §5.4.6) and at what a
// datagram holds.
constexpr std::uint32_t padded_len(std::uint32_t packet_len, std::uint32_t mtu) {
  constexpr std::uint32_t kMask = kPaddingMultiple - 1;
  const std::uint32_t cap = std::min(mtu, kMaxInnerPacketLen);
  return std::max(packet_len, std::min((packet_len + kMask) & ~kMask, cap));
}

// As a datagram a packet is never longer than this.
constexpr std::size_t max_datagram_len(std::size_t packet_len) {
  return packet_len + kPaddingMultiple + kTransportOverhead;
}

// SealItem is one inner packet laid out as a transport message: 16 bytes of header room, the
// packet, zero padding up to plain_len, 16 bytes of room for the tag.
struct SealItem {
  std::uint8_t* datagram = nullptr;
  std::uint32_t packet_len = 0;    // without padding; 0: keepalive
  std::uint32_t plain_len = 0;     // with padding
  std::uint8_t traffic_class = 0;  // outer DSCP and ECN

  // Lays one out at `datagram`, which has room for it, and writes the padding. The packet is there
  // already or is written next.
  static SealItem lay_out(std::uint8_t* datagram, std::uint32_t packet_len, std::uint32_t mtu,
                          std::uint8_t inner_traffic_class = 0) {
    const SealItem item{datagram, packet_len, padded_len(packet_len, mtu),
                        outer_traffic_class(inner_traffic_class)};
    std::memset(item.packet() + packet_len, 0, item.plain_len - packet_len);
    return item;
  }
  // The same in the batch's own memory. Without a datagram: that is full.
  static SealItem allocate(OutBatch& out, std::uint32_t packet_len, std::uint32_t mtu,
                           std::uint8_t inner_traffic_class = 0) {
    std::uint8_t* const datagram = out.allocate(padded_len(packet_len, mtu) + kTransportOverhead);
    if (datagram == nullptr) return {};
    return lay_out(datagram, packet_len, mtu, inner_traffic_class);
  }

  std::uint8_t* packet() const { return datagram + sizeof(TransportHeader); }
  std::uint32_t datagram_len() const {
    return plain_len + static_cast<std::uint32_t>(kTransportOverhead);
  }
};

}  // namespace hawser
