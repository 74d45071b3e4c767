#include "routing/icmp.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>

#include "base/wire.h"
#include "routing/checksum.h"
#include "routing/header_fields.h"

namespace hawser {
namespace {

constexpr std::uint8_t kHopLimit = 64;
// Internetwork control precedence for ICMP errors (RFC 1812 §4.3.2.5).
constexpr std::uint8_t kV4ErrorTrafficClass = 0xc0;
constexpr std::uint8_t kV6Redirect = 137;

struct TypeAndCode {
  std::uint8_t type;
  std::uint8_t code;
};

TypeAndCode v4_type(IcmpError error) {
  switch (error) {
    case IcmpError::kHopLimitExceeded:
      return {11, 0};
    case IcmpError::kNoRoute:
      return {3, 0};
    case IcmpError::kAdministrativelyProhibited:
      return {3, 13};
    case IcmpError::kAddressUnreachable:
      return {3, 1};
    case IcmpError::kPacketTooBig:
      return {3, 4};
  }
  return {3, 0};
}

TypeAndCode v6_type(IcmpError error) {
  switch (error) {
    case IcmpError::kHopLimitExceeded:
      return {3, 0};
    case IcmpError::kNoRoute:
      return {1, 0};
    case IcmpError::kAdministrativelyProhibited:
      return {1, 1};
    case IcmpError::kAddressUnreachable:
      return {1, 3};
    case IcmpError::kPacketTooBig:
      return {2, 0};
  }
  return {1, 0};
}

// ICMPv4 messages that ask or answer. All others are errors, redirects (which RFC 1812 counts
// among them), or nobody knows.
bool is_v4_query(std::uint8_t type) {
  static constexpr std::array<std::uint8_t, 12> kQueries = {0,  8,  9,  10, 13, 14,
                                                            15, 16, 17, 18, 42, 43};
  return std::find(kQueries.begin(), kQueries.end(), type) != kQueries.end();
}

// ICMPv6 errors have the high bit clear (RFC 4443 §2.1).
bool is_v6_information(std::uint8_t type) { return type >= 128 && type != kV6Redirect; }

// Does the address name one host that an answer may go to?
bool is_one_host(const IpAddress& address) {
  if (address.is_unspecified() || address.is_multicast() || address.is_loopback()) return false;
  if (address.family == IpFamily::kV6) return true;
  // 0.0.0.0/8 is "this network", 240.0.0.0/4 is class E (RFC 1122 §3.2.1.3, RFC 1812 §4.3.2.7).
  return address.bytes[0] != 0 && address.bytes[0] < 240;
}

bool is_echo_request(std::span<const std::uint8_t> packet, const IpHeader& header, bool is_v4) {
  if (header.protocol != (is_v4 ? kProtocolIcmp : kProtocolIcmpv6)) return false;
  // Options would have to be answered one by one (RFC 1122 §3.2.2.6); nobody pings us with them.
  if (is_v4 && header.header_len != kMinIpv4HeaderLen) return false;
  if (is_v4 && (load_be16(packet.data() + ipv4::kFragment) & ipv4::kFragmented) != 0) return false;
  if (is_v4 && checksum_finish(checksum_add(0, packet.first(kMinIpv4HeaderLen))) != 0) return false;
  if (!is_one_host(header.source) || header.destination.is_multicast()) return false;
  const std::span<const std::uint8_t> message =
      packet.first(header.packet_len).subspan(header.header_len);
  if (message.size() < icmp::kHeaderLen) return false;
  const std::uint8_t type = is_v4 ? icmp::kV4EchoRequest : icmp::kV6EchoRequest;
  return message[icmp::kType] == type && message[icmp::kCode] == 0 &&
         icmp_checksum(message, header.source, header.destination) == 0;
}

}  // namespace

std::uint16_t icmp_checksum(std::span<const std::uint8_t> message, const IpAddress& source,
                            const IpAddress& destination) {
  const auto len = static_cast<std::uint32_t>(message.size());
  const std::uint64_t pseudo = source.family == IpFamily::kV4
                                   ? 0
                                   : pseudo_header_sum(source, destination, kProtocolIcmpv6, len);
  return checksum_finish(checksum_add(pseudo, message));
}

bool icmp_error_allowed(std::span<const std::uint8_t> offending, const IpHeader& header,
                        IcmpError error) {
  const bool is_v4 = header.source.family == IpFamily::kV4;
  if (!is_one_host(header.source)) return false;
  if (header.destination.is_multicast() && (is_v4 || error != IcmpError::kPacketTooBig)) {
    return false;
  }
  const std::optional<UpperLayer> upper = find_upper_layer(offending, header);
  if (!upper || !upper->has_start) return false;
  if (upper->protocol != (is_v4 ? kProtocolIcmp : kProtocolIcmpv6)) return true;
  if (upper->offset >= header.packet_len) return false;  // its type is cut off
  const std::uint8_t type = offending[upper->offset];
  return is_v4 ? is_v4_query(type) : is_v6_information(type);
}

std::size_t write_icmp_error(std::span<std::uint8_t> out, std::span<const std::uint8_t> offending,
                             const IpHeader& header, IcmpError error, const IpAddress& source,
                             std::uint32_t mtu) {
  const bool is_v4 = header.source.family == IpFamily::kV4;
  assert(source.family == header.source.family);
  const std::size_t ip_header_len = is_v4 ? kMinIpv4HeaderLen : kIpv6HeaderLen;
  const std::size_t max_len = is_v4 ? kMaxIcmpv4ErrorLen : kMaxIcmpv6ErrorLen;
  assert(out.size() >= max_len);
  const std::size_t quote_len =
      std::min<std::size_t>(std::min(offending.size(), max_len), header.packet_len);
  const std::size_t len = std::min(ip_header_len + icmp::kHeaderLen + quote_len, max_len);
  const std::span<std::uint8_t> packet = out.first(len);
  const std::span<std::uint8_t> message = packet.subspan(ip_header_len);

  const TypeAndCode kind = is_v4 ? v4_type(error) : v6_type(error);
  std::memset(message.data(), 0, icmp::kHeaderLen);
  message[icmp::kType] = kind.type;
  message[icmp::kCode] = kind.code;
  if (error == IcmpError::kPacketTooBig) {
    // IPv4 has 16 bits for it (RFC 1191 §4); no IPv4 packet is longer than they can say.
    store_be32(&message[icmp::kRest], is_v4 ? std::min<std::uint32_t>(mtu, 0xffff) : mtu);
  }
  std::memcpy(&message[icmp::kHeaderLen], offending.data(), message.size() - icmp::kHeaderLen);
  store_be16(&message[icmp::kChecksum], icmp_checksum(message, source, header.source));
  write_ip_header(packet, source, header.source, is_v4 ? kProtocolIcmp : kProtocolIcmpv6, kHopLimit,
                  is_v4 ? kV4ErrorTrafficClass : std::uint8_t{0});
  return len;
}

bool echo_reply_in_place(std::span<std::uint8_t> packet, const IpHeader& header) {
  const bool is_v4 = header.source.family == IpFamily::kV4;
  if (!is_echo_request(packet, header, is_v4)) return false;
  std::uint8_t* const p = packet.data();
  std::uint8_t* const message = p + header.header_len;
  const std::size_t address_len = header.source.size();
  std::uint8_t* const addresses = p + (is_v4 ? ipv4::kSource : ipv6::kSource);
  std::memcpy(addresses, header.destination.bytes.data(), address_len);
  std::memcpy(addresses + address_len, header.source.bytes.data(), address_len);

  // Swapped addresses sum up to the same; only the type has changed.
  const std::uint16_t old_word = load_be16(message);
  message[icmp::kType] = is_v4 ? icmp::kV4EchoReply : icmp::kV6EchoReply;
  std::uint8_t* const field = message + icmp::kChecksum;
  store_be16(field, checksum_adjust(load_be16(field), old_word, load_be16(message)));

  if (is_v4) {
    p[ipv4::kTtl] = kHopLimit;
    store_be16(p + ipv4::kChecksum, 0);
    store_be16(p + ipv4::kChecksum,
               checksum_finish(checksum_add(0, packet.first(kMinIpv4HeaderLen))));
  } else {
    p[ipv6::kHopLimit] = kHopLimit;
  }
  return true;
}

}  // namespace hawser
