#pragma once
// Where the fields that are read and written stand, in bytes from their header's start, and their
// bits. In network byte order all of them.
#include <cstddef>
#include <cstdint>

namespace hawser {

namespace ipv4 {  // RFC 791 §3.1
inline constexpr std::size_t kTrafficClass = 1;
inline constexpr std::size_t kTotalLength = 2;
inline constexpr std::size_t kIdentification = 4;
inline constexpr std::size_t kFragment = 6;  // flags and offset
inline constexpr std::size_t kTtl = 8;
inline constexpr std::size_t kProtocol = 9;
inline constexpr std::size_t kChecksum = 10;
inline constexpr std::size_t kSource = 12;
inline constexpr std::size_t kDestination = 16;
inline constexpr std::uint16_t kReservedBit = 0x8000;
inline constexpr std::uint16_t kDontFragment = 0x4000;
inline constexpr std::uint16_t kMoreFragments = 0x2000;
inline constexpr std::uint16_t kFragmentOffset = 0x1fff;  // in units of 8 bytes
inline constexpr std::uint16_t kFragmented = kMoreFragments | kFragmentOffset;
}  // namespace ipv4

namespace ipv6 {  // RFC 8200 §3
inline constexpr std::size_t kPayloadLength = 4;
inline constexpr std::size_t kNextHeader = 6;
inline constexpr std::size_t kHopLimit = 7;
inline constexpr std::size_t kSource = 8;
inline constexpr std::size_t kDestination = 24;
}  // namespace ipv6

// Both ports of TCP and UDP.
inline constexpr std::size_t kSourcePort = 0;
inline constexpr std::size_t kDestinationPort = 2;
inline constexpr std::size_t kPortsLen = 4;

namespace tcp {  // RFC 9293 §3.1
inline constexpr std::uint16_t kMinHeaderLen = 20;
inline constexpr std::size_t kSequence = 4;
inline constexpr std::size_t kAcknowledgement = 8;
inline constexpr std::size_t kDataOffset =
    12;  // high four bits, in words; the low ones are reserved
inline constexpr std::size_t kFlags = 13;
inline constexpr std::size_t kWindow = 14;
inline constexpr std::size_t kChecksum = 16;
inline constexpr std::size_t kUrgentPointer = 18;  // options follow it
inline constexpr std::uint8_t kFin = 0x01;
inline constexpr std::uint8_t kPsh = 0x08;
inline constexpr std::uint8_t kAck = 0x10;
inline constexpr std::uint8_t kCwr = 0x80;
}  // namespace tcp

namespace udp {  // RFC 768
inline constexpr std::uint16_t kHeaderLen = 8;
inline constexpr std::size_t kLength = 4;
inline constexpr std::size_t kChecksum = 6;
}  // namespace udp

namespace icmp {  // RFC 792, RFC 4443 §2.1
inline constexpr std::size_t kHeaderLen = 8;
inline constexpr std::size_t kType = 0;
inline constexpr std::size_t kCode = 1;
inline constexpr std::size_t kChecksum = 2;
inline constexpr std::size_t kRest = 4;
inline constexpr std::uint8_t kV4EchoReply = 0;
inline constexpr std::uint8_t kV4EchoRequest = 8;
inline constexpr std::uint8_t kV6EchoRequest = 128;
inline constexpr std::uint8_t kV6EchoReply = 129;
}  // namespace icmp

}  // namespace hawser
