#pragma once
// Inner packets that can be recognized and checked when they come out at the other end.
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "dataplane/train.h"
#include "routing/ip_address.h"

namespace hawser::testing {

using Packet = std::vector<std::uint8_t>;

// What an inner test packet says of itself: a UDP datagram whose payload is a mark, this id, and
// bytes that follow from the id.
struct InnerPacket {
  IpAddress source;
  IpAddress destination;
  std::uint64_t id = 0;
  std::size_t payload_len = 0;  // of UDP; at least kMinInnerPayload
  std::uint8_t hop_limit = 64;
  std::uint8_t traffic_class = 0;
  bool dont_fragment = true;
};

inline constexpr std::size_t kMinInnerPayload = 12;

// With all checksums right.
Packet make_packet(const InnerPacket& inner);

// The same packets (of one flow, with payloads of one length) as one USO super-packet of a TUN
// read.
struct SuperPacket {
  Packet bytes;
  TunOffload offload;
};
SuperPacket make_super_packet(std::span<const InnerPacket> packets);

// nullopt: not one of ours, or damaged in any byte (checksums, pattern, lengths).
std::optional<InnerPacket> read_packet(std::span<const std::uint8_t> packet);

// ICMP / ICMPv6 echo request of an identifier and 8 bytes of data.
Packet make_echo_request(const IpAddress& source, const IpAddress& destination, std::uint16_t id);

// An ICMP or ICMPv6 message: its type and code.
struct IcmpKind {
  std::uint8_t type = 0;
  std::uint8_t code = 0;
  friend bool operator==(const IcmpKind&, const IcmpKind&) = default;
};
// nullopt: not ICMP, or a wrong checksum.
std::optional<IcmpKind> read_icmp(std::span<const std::uint8_t> packet);

IpAddress address(const char* text);
Prefix prefix(const char* text);

}  // namespace hawser::testing
