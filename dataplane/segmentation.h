#pragma once
#include <cstdint>
#include <optional>
#include <span>

#include "dataplane/train.h"

namespace hawser {

// Segmenter cuts what a TUN read delivered (TSO / USO super-packet, or a lone packet with or
// without a checksum left to do) into complete IP packets. Pure; borrows the packet.
//
// Each segment gets: its IP length field, IPv4 identification counted up and header checksum; TCP
// sequence number, FIN and PSH only on the last, CWR only on the first; UDP length; and the
// transport checksum in full.
class Segmenter {
 public:
  // nullopt: not an IP packet or offload fields that do not fit it (counted as kTunMalformed).
  // Trailing bytes after the IP length are an error for a super-packet, trimmed for a lone one.
  static std::optional<Segmenter> begin(std::span<const std::uint8_t> packet,
                                        const TunOffload& offload);

  std::uint32_t num_segments() const { return num_segments_; }
  // Length of segment `i` as an IP packet. All but the last are equal.
  std::uint32_t segment_len(std::uint32_t i) const {
    return i + 1 < num_segments_ ? header_len_ + payload_per_segment_ : last_len_;
  }
  // Writes segment `i` (segment_len(i) bytes) to `out`.
  void write(std::uint32_t i, std::uint8_t* out) const;

 private:
  Segmenter() = default;

  std::span<const std::uint8_t> packet_;
  TunOffload offload_;
  std::uint32_t num_segments_ = 0;
  std::uint32_t header_len_ = 0;  // IP and transport header together
  std::uint32_t ip_header_len_ = 0;
  std::uint32_t payload_per_segment_ = 0;
  std::uint32_t last_len_ = 0;
};

}  // namespace hawser
