#pragma once
// A packet that came in. Internal to dataplane/.
#include <cstdint>
#include <span>

#include "dataplane/peer.h"
#include "noise/messages.h"
#include "routing/ip_packet.h"

namespace hawser {

// OpenedPacket is a decrypted packet on its way to somewhere; it stays in the datagram that it came
// in.
struct OpenedPacket {
  std::uint8_t* datagram = nullptr;  // the transport message that it came in
  std::uint32_t plain_len = 0;       // as received, with padding
  IpHeader header;
  Peer* from = nullptr;

  std::span<std::uint8_t> packet() const {
    return {datagram + sizeof(TransportHeader), header.packet_len};
  }
};

}  // namespace hawser
