#pragma once
// The packets inside the tunnels: UDP over IPv4 or IPv6, each with a number of its own.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "routing/ip_address.h"

namespace hawser::load {

inline constexpr std::size_t kMinInnerLen = 64;  // an IPv6 and a UDP header, and 16 bytes
inline constexpr std::size_t kMaxInnerLen = 1420;
inline constexpr std::uint8_t kInnerHopLimit = 64;

// What is wrong with a packet that arrived; the first thing found.
enum class InnerFault : std::uint8_t {
  kNone,
  kNotIp,     // no IP packet of the length that was sent
  kAddress,   // source or destination are not the pair's
  kHopLimit,  // not lowered by exactly one
  kChecksum,  // of the IPv4 header
  kPayload,   // number or filling are not as sent
  kLate,      // an earlier round's
};
inline constexpr std::size_t kNumInnerFaults = 7;

// InnerPacket is the packet of one pair and one size; only its number changes. Headers, then the
// number (8 bytes, little endian), then the number's complement (so that the UDP checksum does not
// change with it), then a filling. All checksums are right.
class InnerPacket {
 public:
  InnerPacket(std::size_t pair, IpFamily family, std::size_t len);

  std::size_t len() const { return bytes_.size(); }
  // Writes the packet; `out` has len() bytes.
  void write(std::uint8_t* out, std::uint64_t number) const;
  // Is `packet` (perhaps padded) this one, whatever its number, behind a router?
  InnerFault check(std::span<const std::uint8_t> packet) const;
  // What stands where the number does; nullopt if it is too short for one.
  static std::optional<std::uint64_t> read_number(std::span<const std::uint8_t> packet,
                                                  IpFamily family);

 private:
  IpAddress source_;
  IpAddress destination_;
  std::vector<std::uint8_t> bytes_;
};

}  // namespace hawser::load
