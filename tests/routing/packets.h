#pragma once
// Packets made by hand, for tests of what reads and rewrites them.
#include <cstdint>
#include <cstring>
#include <random>
#include <span>
#include <string_view>
#include <vector>

#include "base/wire.h"
#include "routing/ip_address.h"

namespace hawser::test {

using Bytes = std::vector<std::uint8_t>;
using Random = std::mt19937_64;

inline IpAddress address(std::string_view text) { return IpAddress::parse(text).value(); }
inline Prefix prefix(std::string_view text) { return Prefix::parse(text).value(); }

inline Bytes random_bytes(Random& random, std::size_t len) {
  Bytes bytes(len);
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
  return bytes;
}

inline IpAddress random_address(Random& random, IpFamily family) {
  const Bytes raw = random_bytes(random, 16);
  if (family == IpFamily::kV4) return IpAddress::v4(std::span(raw).first<4>());
  return IpAddress::v6(std::span(raw).first<16>());
}

// RFC 1071, word by word: the reference for everything faster.
inline std::uint16_t plain_checksum(std::span<const std::uint8_t> bytes, std::uint64_t sum = 0) {
  for (std::size_t i = 0; i < bytes.size(); i += 2) {
    sum += static_cast<std::uint64_t>(bytes[i]) << 8;
    if (i + 1 < bytes.size()) sum += bytes[i + 1];
  }
  while (sum > 0xffff) sum = (sum >> 16) + (sum & 0xffff);
  return static_cast<std::uint16_t>(~sum);
}

// The pseudo header as it would stand in memory, IPv6's layout for both (the sum is the same).
inline std::uint64_t plain_pseudo_sum(const IpAddress& source, const IpAddress& destination,
                                      std::uint8_t protocol, std::size_t len) {
  Bytes bytes(source.raw().begin(), source.raw().end());
  bytes.insert(bytes.end(), destination.raw().begin(), destination.raw().end());
  Bytes tail(8);
  store_be32(tail.data(), static_cast<std::uint32_t>(len));
  tail[7] = protocol;
  bytes.insert(bytes.end(), tail.begin(), tail.end());
  return static_cast<std::uint16_t>(~plain_checksum(bytes));
}

inline Bytes v4_packet(const IpAddress& source, const IpAddress& destination, std::uint8_t protocol,
                       std::span<const std::uint8_t> payload, std::uint8_t traffic_class = 0,
                       std::uint8_t ttl = 64) {
  Bytes packet(20 + payload.size());
  packet[0] = 0x45;
  packet[1] = traffic_class;
  store_be16(&packet[2], static_cast<std::uint16_t>(packet.size()));
  store_be16(&packet[6], 0x4000);
  packet[8] = ttl;
  packet[9] = protocol;
  std::memcpy(&packet[12], source.bytes.data(), 4);
  std::memcpy(&packet[16], destination.bytes.data(), 4);
  store_be16(&packet[10], plain_checksum(std::span(packet).first(20)));
  std::copy(payload.begin(), payload.end(), packet.begin() + 20);
  return packet;
}

inline Bytes v6_packet(const IpAddress& source, const IpAddress& destination,
                       std::uint8_t next_header, std::span<const std::uint8_t> payload,
                       std::uint8_t traffic_class = 0, std::uint8_t hop_limit = 64) {
  Bytes packet(40 + payload.size());
  store_be32(packet.data(), 0x60000000U | std::uint32_t{traffic_class} << 20);
  store_be16(&packet[4], static_cast<std::uint16_t>(payload.size()));
  packet[6] = next_header;
  packet[7] = hop_limit;
  std::memcpy(&packet[8], source.bytes.data(), 16);
  std::memcpy(&packet[24], destination.bytes.data(), 16);
  std::copy(payload.begin(), payload.end(), packet.begin() + 40);
  return packet;
}

inline Bytes ip_packet(const IpAddress& source, const IpAddress& destination, std::uint8_t protocol,
                       std::span<const std::uint8_t> payload, std::uint8_t traffic_class = 0,
                       std::uint8_t hop_limit = 64) {
  return source.family == IpFamily::kV4
             ? v4_packet(source, destination, protocol, payload, traffic_class, hop_limit)
             : v6_packet(source, destination, protocol, payload, traffic_class, hop_limit);
}

}  // namespace hawser::test
