#pragma once
#include <cstdint>
#include <optional>
#include <span>

#include "dataplane/train.h"
#include "routing/ip_packet.h"

namespace hawser {

// The largest number of segments that one packet may be cut into. 64 bytes of payload each fill the
// longest packet; Linux' own super-packets stay far below (UDP: 128 segments, TCP: 64 KiB by the
// MSS). More than that is a gso_size made to turn one read into tens of thousands of packets.
inline constexpr std::uint32_t kMaxSegmentsPerPacket = 1024;

// Segmenter cuts what a TUN read delivered (TSO / USO super-packet, or a lone packet with or
// without a checksum left to do) into complete IP packets. Pure; borrows the packet.
//
// Each segment gets: its IP length field, IPv4 identification counted up and header checksum; TCP
// sequence number, FIN and PSH only on the last, CWR only on the first; UDP length; and the
// transport checksum in full.
//
// The offload fields may come from a hostile process on this host: none is believed before it was
// checked against the packet. IPv6 extension headers are copied to each segment; fragments, and
// source routes that are not yet at their end, are refused.
class Segmenter {
 public:
  // nullopt: not an IP packet or offload fields that do not fit it (counted as kTunMalformed).
  // Trailing bytes after the IP length are an error for a super-packet, trimmed for a lone one.
  static std::optional<Segmenter> begin(std::span<const std::uint8_t> packet,
                                        const TunOffload& offload);

  // The packet that is cut, and its header.
  std::span<const std::uint8_t> packet() const { return packet_; }
  const IpHeader& header() const { return header_; }
  std::uint32_t num_segments() const { return num_segments_; }
  // Length of segment `i` as an IP packet. All but the last are equal.
  std::uint32_t segment_len(std::uint32_t i) const {
    return i + 1 < num_segments_ ? header_len_ + payload_per_segment_ : last_len_;
  }
  // Writes segment `i` (segment_len(i) bytes) to `out`.
  void write(std::uint32_t i, std::uint8_t* out) const;

 private:
  Segmenter(std::span<const std::uint8_t> packet, const IpHeader& header, const TunOffload& offload)
      : packet_(packet), header_(header), offload_(offload) {}
  static std::optional<Segmenter> begin_lone(std::span<const std::uint8_t> packet,
                                             const IpHeader& header, const TunOffload& offload);
  static std::optional<Segmenter> begin_super(std::span<const std::uint8_t> packet,
                                              const IpHeader& header, const TunOffload& offload);
  void write_lone(std::uint8_t* out) const;
  void rewrite_ip(std::uint8_t* out, std::uint32_t i, std::uint32_t len) const;

  std::span<const std::uint8_t> packet_;
  IpHeader header_;
  TunOffload offload_;
  std::uint32_t num_segments_ = 0;
  std::uint32_t header_len_ = 0;     // IP and transport header together
  std::uint32_t ip_header_len_ = 0;  // with IPv6 extension headers
  std::uint32_t payload_per_segment_ = 0;
  std::uint32_t last_len_ = 0;
  std::uint64_t pseudo_sum_ = 0;  // of the pseudo header, its length not added yet
};

}  // namespace hawser
