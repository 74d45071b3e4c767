#pragma once
// ICMP echo messages (RFC 792, RFC 4443 §4) that carry a 64-bit number. Pure.
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "routing/ip_address.h"

namespace hawser {

// What makes a probe this run's: the answers of other programs, and of earlier runs, have another.
struct EchoRun {
  std::uint16_t identifier = 0;
  std::uint64_t token = 0;
};

// ICMP header and payload, without an IP header: type, identifier, the low 16 bits of `number` as
// the sequence, then token and whole number. The checksum of ICMPv6 is the kernel's.
std::vector<std::uint8_t> make_echo_request(IpFamily family, const EchoRun& run,
                                            std::uint64_t number);

// The number in an echo reply of this run; nothing for any other message. `message` begins with the
// ICMP header.
std::optional<std::uint64_t> parse_echo_reply(IpFamily family, const EchoRun& run,
                                              std::span<const std::uint8_t> message);

}  // namespace hawser
