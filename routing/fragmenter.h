#pragma once
#include <cstdint>
#include <optional>
#include <span>

#include "routing/ip_packet.h"

namespace hawser {

// Fragmenter cuts an IPv4 packet, or a fragment of one, into fragments that fit an MTU (RFC 791
// §3.2). Pure; borrows the packet. Options are not copied selectively: a packet with options is
// rare, and each of its fragments carries all of them.
class Fragmenter {
 public:
  // `packet` was accepted by parse_ip as `header` and may be fragmented. nullopt: the MTU leaves no
  // room for eight bytes of payload.
  static std::optional<Fragmenter> begin(std::span<const std::uint8_t> packet,
                                         const IpHeader& header, std::uint32_t mtu);

  std::uint32_t num_fragments() const { return (payload_len() + room_ - 1) / room_; }
  // Length of fragment `i` as an IP packet. All but the last are equal.
  std::uint32_t fragment_len(std::uint32_t i) const;
  // Writes fragment `i` (fragment_len(i) bytes) to `out`.
  void write(std::uint32_t i, std::uint8_t* out) const;

 private:
  Fragmenter(std::span<const std::uint8_t> packet, std::uint32_t header_len, std::uint32_t room)
      : packet_(packet), header_len_(header_len), room_(room) {}
  std::uint32_t payload_len() const {
    return static_cast<std::uint32_t>(packet_.size()) - header_len_;
  }

  std::span<const std::uint8_t> packet_;
  std::uint32_t header_len_;
  std::uint32_t room_;  // payload bytes in each fragment but the last
};

}  // namespace hawser
