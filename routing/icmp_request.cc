#include "routing/icmp_request.h"

#include <array>
#include <cassert>
#include <cstring>

#include "base/wire.h"
#include "routing/checksum.h"

namespace hawser {
namespace {

constexpr std::uint8_t kEchoRequestV4 = 8;
constexpr std::uint8_t kEchoRequestV6 = 128;
constexpr std::uint8_t kPrivateV6 = 200;
constexpr std::uint8_t kEchoHopLimit = 64;
// Every router on the way lowers it, so what arrives with it was sent by the neighbour itself
// (RFC 5082).
constexpr std::uint8_t kNeighbourHopLimit = 255;
constexpr std::size_t kIcmpHeaderLen = 8;
constexpr std::array<std::uint8_t, 12> kGoodbyeBody = {'h', 'a', 'w', 's', 'e', 'r',
                                                       ' ', 'l', 'e', 'a', 'v', 'e'};

std::size_t write_header_v4(std::uint8_t* out, const IpAddress& source,
                            const IpAddress& destination, std::uint8_t hop_limit,
                            std::size_t payload_len) {
  std::memset(out, 0, kMinIpv4HeaderLen);
  out[0] = 0x45;
  store_be16(out + 2, static_cast<std::uint16_t>(kMinIpv4HeaderLen + payload_len));
  out[6] = 0x40;  // DF
  out[8] = hop_limit;
  out[9] = kProtocolIcmp;
  std::memcpy(out + 12, source.bytes.data(), 4);
  std::memcpy(out + 16, destination.bytes.data(), 4);
  store_be16(out + 10, checksum_finish(checksum_add(0, {out, kMinIpv4HeaderLen})));
  return kMinIpv4HeaderLen;
}

std::size_t write_header_v6(std::uint8_t* out, const IpAddress& source,
                            const IpAddress& destination, std::uint8_t hop_limit,
                            std::size_t payload_len) {
  std::memset(out, 0, kIpv6HeaderLen);
  out[0] = 0x60;
  store_be16(out + 4, static_cast<std::uint16_t>(payload_len));
  out[6] = kProtocolIcmpv6;
  out[7] = hop_limit;
  std::memcpy(out + 8, source.bytes.data(), 16);
  std::memcpy(out + 24, destination.bytes.data(), 16);
  return kIpv6HeaderLen;
}

std::size_t write_icmp(std::span<std::uint8_t> out, const IpAddress& source,
                       const IpAddress& destination, std::uint8_t hop_limit, std::uint8_t type,
                       std::span<const std::uint8_t, 4> rest, std::span<const std::uint8_t> body) {
  assert(source.family == destination.family && out.size() >= kMaxIcmpRequestLen);
  const bool v4 = source.family == IpFamily::kV4;
  const std::size_t len = kIcmpHeaderLen + body.size();
  const std::size_t at = v4 ? write_header_v4(out.data(), source, destination, hop_limit, len)
                            : write_header_v6(out.data(), source, destination, hop_limit, len);
  std::uint8_t* const icmp = out.data() + at;
  icmp[0] = type;
  icmp[1] = 0;
  store_be16(icmp + 2, 0);
  std::memcpy(icmp + 4, rest.data(), rest.size());
  if (!body.empty()) std::memcpy(icmp + kIcmpHeaderLen, body.data(), body.size());
  const std::uint64_t pseudo =
      v4 ? 0
         : pseudo_header_sum(source, destination, kProtocolIcmpv6, static_cast<std::uint32_t>(len));
  store_be16(icmp + 2, checksum_finish(checksum_add(pseudo, {icmp, len})));
  return at + len;
}

}  // namespace

std::size_t write_echo_request(std::span<std::uint8_t> out, const IpAddress& source,
                               const IpAddress& destination, std::uint16_t identifier,
                               std::uint16_t sequence) {
  std::array<std::uint8_t, 4> rest;
  store_be16(rest.data(), identifier);
  store_be16(rest.data() + 2, sequence);
  const std::uint8_t type = source.family == IpFamily::kV4 ? kEchoRequestV4 : kEchoRequestV6;
  return write_icmp(out, source, destination, kEchoHopLimit, type, rest, {});
}

std::size_t write_goodbye(std::span<std::uint8_t> out, const IpAddress& source,
                          const IpAddress& destination) {
  return write_icmp(out, source, destination, kNeighbourHopLimit, kPrivateV6,
                    std::array<std::uint8_t, 4>{}, kGoodbyeBody);
}

bool is_goodbye(std::span<const std::uint8_t> packet, const IpHeader& header) {
  constexpr std::size_t kLen = kIpv6HeaderLen + kIcmpHeaderLen + kGoodbyeBody.size();
  if (header.source.family != IpFamily::kV6 || header.protocol != kProtocolIcmpv6 ||
      header.hop_limit != kNeighbourHopLimit || packet.size() != kLen ||
      packet[kIpv6HeaderLen] != kPrivateV6) {
    return false;
  }
  return std::memcmp(packet.data() + kIpv6HeaderLen + kIcmpHeaderLen, kGoodbyeBody.data(),
                     kGoodbyeBody.size()) == 0;
}

}  // namespace hawser
