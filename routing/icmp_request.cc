#include "routing/icmp_request.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>

#include "base/wire.h"
#include "routing/header_fields.h"
#include "routing/icmp.h"

namespace hawser {
namespace {

constexpr std::uint8_t kPrivateV6 = 200;
constexpr std::uint8_t kEchoHopLimit = 64;
// Every router on the way lowers it, so what arrives with it was sent by the neighbour itself
// (RFC 5082).
constexpr std::uint8_t kNeighbourHopLimit = 255;
constexpr std::array<std::uint8_t, 12> kGoodbyeBody = {'h', 'a', 'w', 's', 'e', 'r',
                                                       ' ', 'l', 'e', 'a', 'v', 'e'};

std::size_t write_icmp(std::span<std::uint8_t> out, const IpAddress& source,
                       const IpAddress& destination, std::uint8_t hop_limit, std::uint8_t type,
                       std::span<const std::uint8_t, 4> rest, std::span<const std::uint8_t> body) {
  assert(out.size() >= kMaxIcmpRequestLen);
  const bool is_v4 = source.family == IpFamily::kV4;
  const std::size_t ip_header_len = is_v4 ? kMinIpv4HeaderLen : kIpv6HeaderLen;
  const auto packet = out.first(ip_header_len + icmp::kHeaderLen + body.size());
  write_ip_header(packet, source, destination, is_v4 ? kProtocolIcmp : kProtocolIcmpv6, hop_limit);
  const auto message = packet.subspan(ip_header_len);
  std::memset(message.data(), 0, icmp::kHeaderLen);
  message[icmp::kType] = type;
  std::memcpy(&message[icmp::kRest], rest.data(), rest.size());
  std::copy(body.begin(), body.end(), message.begin() + icmp::kHeaderLen);
  store_be16(&message[icmp::kChecksum], icmp_checksum(message, source, destination));
  return packet.size();
}

}  // namespace

std::size_t write_echo_request(std::span<std::uint8_t> out, const IpAddress& source,
                               const IpAddress& destination, std::uint16_t identifier,
                               std::uint16_t sequence) {
  std::array<std::uint8_t, 4> rest;
  store_be16(rest.data(), identifier);
  store_be16(rest.data() + 2, sequence);
  const std::uint8_t type =
      source.family == IpFamily::kV4 ? icmp::kV4EchoRequest : icmp::kV6EchoRequest;
  return write_icmp(out, source, destination, kEchoHopLimit, type, rest, {});
}

std::size_t write_goodbye(std::span<std::uint8_t> out, const IpAddress& source,
                          const IpAddress& destination) {
  return write_icmp(out, source, destination, kNeighbourHopLimit, kPrivateV6,
                    std::array<std::uint8_t, 4>{}, kGoodbyeBody);
}

bool is_goodbye(std::span<const std::uint8_t> packet, const IpHeader& header) {
  constexpr std::size_t kLen = kIpv6HeaderLen + icmp::kHeaderLen + kGoodbyeBody.size();
  if (header.source.family != IpFamily::kV6 || header.protocol != kProtocolIcmpv6 ||
      header.hop_limit != kNeighbourHopLimit || packet.size() != kLen ||
      packet[kIpv6HeaderLen] != kPrivateV6) {
    return false;
  }
  return std::memcmp(packet.data() + kIpv6HeaderLen + icmp::kHeaderLen, kGoodbyeBody.data(),
                     kGoodbyeBody.size()) == 0;
}

}  // namespace hawser
