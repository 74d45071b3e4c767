#include <gtest/gtest.h>

#include "packets.h"
#include "routing/icmp.h"

namespace hawser {
namespace {

using test::address;
using test::Bytes;

const IpAddress kHost4 = address("10.0.0.1");
const IpAddress kOther4 = address("10.0.0.2");
const IpAddress kRouter4 = address("10.0.0.254");
const IpAddress kHost6 = address("fd00::1");
const IpAddress kOther6 = address("fd00::2");
const IpAddress kRouter6 = address("fd00::fe");

constexpr IcmpError kAllErrors[] = {IcmpError::kHopLimitExceeded, IcmpError::kNoRoute,
                                    IcmpError::kAdministrativelyProhibited,
                                    IcmpError::kAddressUnreachable, IcmpError::kPacketTooBig};

bool allowed(const Bytes& packet, IcmpError error = IcmpError::kNoRoute) {
  return icmp_error_allowed(packet, parse_ip(packet).value(), error);
}

Bytes error_for(const Bytes& offending, IcmpError error, std::uint32_t mtu = 1400) {
  const IpHeader header = parse_ip(offending).value();
  const bool is_v4 = header.source.family == IpFamily::kV4;
  Bytes out(kMaxIcmpv6ErrorLen, 0xee);
  out.resize(write_icmp_error(out, offending, header, error, is_v4 ? kRouter4 : kRouter6, mtu));
  return out;
}

bool icmp_checksum_is_right(const Bytes& packet) {
  const IpHeader header = parse_ip(packet).value();
  const std::span<const std::uint8_t> message = std::span(packet).subspan(header.header_len);
  const std::uint64_t pseudo =
      header.source.family == IpFamily::kV4
          ? 0
          : test::plain_pseudo_sum(header.source, header.destination, 58, message.size());
  return test::plain_checksum(message, pseudo) == 0;
}

TEST(IcmpErrorAllowed, OrdinaryPacketsGetOne) {
  for (const std::uint8_t protocol : Bytes{6, 17, 47, 50, 132}) {
    EXPECT_TRUE(allowed(test::v4_packet(kHost4, kOther4, protocol, Bytes(20))));
    EXPECT_TRUE(allowed(test::v6_packet(kHost6, kOther6, protocol, Bytes(20))));
  }
}

TEST(IcmpErrorAllowed, NeverAboutAnErrorButAboutAnEcho) {
  for (unsigned type = 0; type < 256; ++type) {
    Bytes message(8);
    message[0] = static_cast<std::uint8_t>(type);
    const bool v4_query = type == 0 || type == 8 || type == 9 || type == 10 ||
                          (type >= 13 && type <= 18) || type == 42 || type == 43;
    EXPECT_EQ(allowed(test::v4_packet(kHost4, kOther4, 1, message)), v4_query) << type;
    EXPECT_EQ(allowed(test::v6_packet(kHost6, kOther6, 58, message)), type >= 128 && type != 137)
        << type;
  }
  EXPECT_FALSE(allowed(test::v4_packet(kHost4, kOther4, 1, Bytes{})));
  EXPECT_FALSE(allowed(test::v6_packet(kHost6, kOther6, 58, Bytes{})));
}

TEST(IcmpErrorAllowed, NotAboutAnErrorHiddenBehindExtensionHeaders) {
  Bytes payload(16);
  payload[0] = 58;
  payload[8] = 1;  // destination unreachable
  EXPECT_FALSE(allowed(test::v6_packet(kHost6, kOther6, 60, payload)));
  payload[8] = 128;
  EXPECT_TRUE(allowed(test::v6_packet(kHost6, kOther6, 60, payload)));
  payload[1] = 9;  // reaches behind the end
  EXPECT_FALSE(allowed(test::v6_packet(kHost6, kOther6, 60, payload)));
}

TEST(IcmpErrorAllowed, OnlyAboutFirstFragments) {
  Bytes v4 = test::v4_packet(kHost4, kOther4, 17, Bytes(16));
  store_be16(&v4[6], 0x2000);
  EXPECT_TRUE(allowed(v4));
  store_be16(&v4[6], 0x2001);
  EXPECT_FALSE(allowed(v4));
  Bytes v6 = test::v6_packet(kHost6, kOther6, 44, Bytes(16));
  v6[40] = 17;
  v6[43] = 1;
  EXPECT_TRUE(allowed(v6));
  v6[43] = 9;
  EXPECT_FALSE(allowed(v6));
}

TEST(IcmpErrorAllowed, NotAboutMulticastExceptPacketTooBigOfIpv6) {
  for (const IcmpError error : kAllErrors) {
    EXPECT_FALSE(allowed(test::v4_packet(kHost4, address("224.0.0.5"), 17, Bytes(8)), error));
    EXPECT_FALSE(allowed(test::v4_packet(kHost4, address("255.255.255.255"), 17, Bytes(8)), error));
    EXPECT_EQ(allowed(test::v6_packet(kHost6, address("ff02::1"), 17, Bytes(8)), error),
              error == IcmpError::kPacketTooBig);
  }
}

TEST(IcmpErrorAllowed, OnlyToSourcesThatNameOneHost) {
  for (const char* source :
       {"0.0.0.0", "0.1.2.3", "127.0.0.1", "224.1.1.1", "255.255.255.255", "240.0.0.1"}) {
    EXPECT_FALSE(allowed(test::v4_packet(address(source), kOther4, 17, Bytes(8)))) << source;
  }
  for (const char* source : {"::", "::1", "ff02::1"}) {
    EXPECT_FALSE(allowed(test::v6_packet(address(source), kOther6, 17, Bytes(8)))) << source;
  }
}

TEST(IcmpError, HasTheTypeAndCodeOfItsKind) {
  struct Case {
    IcmpError error;
    std::uint8_t v4_type, v4_code, v6_type, v6_code;
  };
  const Case kCases[] = {{IcmpError::kHopLimitExceeded, 11, 0, 3, 0},
                         {IcmpError::kNoRoute, 3, 0, 1, 0},
                         {IcmpError::kAdministrativelyProhibited, 3, 13, 1, 1},
                         {IcmpError::kAddressUnreachable, 3, 1, 1, 3},
                         {IcmpError::kPacketTooBig, 3, 4, 2, 0}};
  for (const Case& c : kCases) {
    const Bytes v4 = error_for(test::v4_packet(kHost4, kOther4, 17, Bytes(40)), c.error);
    EXPECT_EQ(v4[20], c.v4_type);
    EXPECT_EQ(v4[21], c.v4_code);
    EXPECT_EQ(load_be32(&v4[24]), c.error == IcmpError::kPacketTooBig ? 1400U : 0U);
    const Bytes v6 = error_for(test::v6_packet(kHost6, kOther6, 17, Bytes(40)), c.error);
    EXPECT_EQ(v6[40], c.v6_type);
    EXPECT_EQ(v6[41], c.v6_code);
    EXPECT_EQ(load_be32(&v6[44]), c.error == IcmpError::kPacketTooBig ? 1400U : 0U);
  }
}

TEST(IcmpError, QuotesAsMuchAsFitsWithChecksumsRight) {
  test::Random random(10);
  for (std::size_t len = 0; len <= 1600; len += 7) {
    for (const bool is_v4 : {true, false}) {
      const Bytes payload = test::random_bytes(random, len);
      const Bytes offending = is_v4 ? test::v4_packet(kHost4, kOther4, 17, payload)
                                    : test::v6_packet(kHost6, kOther6, 17, payload);
      Bytes padded = offending;
      padded.resize(padded.size() + 15);
      const Bytes error = error_for(padded, kAllErrors[len % 5]);
      const std::size_t headers = is_v4 ? 28 : 48;
      const std::size_t limit = is_v4 ? kMaxIcmpv4ErrorLen : kMaxIcmpv6ErrorLen;
      ASSERT_EQ(error.size(), std::min(limit, headers + offending.size()));
      const IpHeader header = parse_ip(error).value();
      ASSERT_EQ(header.packet_len, error.size());
      ASSERT_EQ(header.source, is_v4 ? kRouter4 : kRouter6);
      ASSERT_EQ(header.destination, is_v4 ? kHost4 : kHost6);
      ASSERT_EQ(header.hop_limit, 64);
      ASSERT_EQ(header.protocol, is_v4 ? 1 : 58);
      if (is_v4) {
        ASSERT_EQ(test::plain_checksum(std::span(error).first(20)), 0);
      }
      ASSERT_TRUE(icmp_checksum_is_right(error));
      ASSERT_TRUE(std::equal(error.begin() + static_cast<std::ptrdiff_t>(headers), error.end(),
                             offending.begin()));
    }
  }
}

TEST(IcmpError, IsNeverAnsweredByAnother) {
  for (const IcmpError error : kAllErrors) {
    EXPECT_FALSE(allowed(error_for(test::v4_packet(kHost4, kOther4, 17, Bytes(9)), error)));
    EXPECT_FALSE(allowed(error_for(test::v6_packet(kHost6, kOther6, 17, Bytes(9)), error)));
  }
}

TEST(IcmpError, GivesLargeMtusOfIpv4AsItsLargest) {
  const Bytes v4 =
      error_for(test::v4_packet(kHost4, kOther4, 17, Bytes(9)), IcmpError::kPacketTooBig, 100000);
  EXPECT_EQ(load_be32(&v4[24]), 65535U);
  const Bytes v6 =
      error_for(test::v6_packet(kHost6, kOther6, 17, Bytes(9)), IcmpError::kPacketTooBig, 100000);
  EXPECT_EQ(load_be32(&v6[44]), 100000U);
}

Bytes echo_request(bool is_v4, std::size_t data_len, test::Random& random) {
  Bytes message = test::random_bytes(random, 8 + data_len);
  message[0] = is_v4 ? 8 : 128;
  message[1] = 0;
  store_be16(&message[2], 0);
  const std::uint64_t pseudo =
      is_v4 ? 0 : test::plain_pseudo_sum(kHost6, kOther6, 58, message.size());
  store_be16(&message[2], test::plain_checksum(message, pseudo));
  return is_v4 ? test::v4_packet(kHost4, kOther4, 1, message, 0, 3)
               : test::v6_packet(kHost6, kOther6, 58, message, 0, 3);
}

TEST(EchoReply, AnswersARequestInPlace) {
  test::Random random(11);
  for (std::size_t len = 0; len < 1500; len += 13) {
    for (const bool is_v4 : {true, false}) {
      const Bytes request = echo_request(is_v4, len, random);
      Bytes reply = request;
      reply.resize(reply.size() + 5, 0xee);
      ASSERT_TRUE(echo_reply_in_place(reply, parse_ip(request).value()));
      ASSERT_EQ(Bytes(reply.end() - 5, reply.end()), Bytes(5, 0xee));
      reply.resize(request.size());
      const IpHeader header = parse_ip(reply).value();
      ASSERT_EQ(header.source, is_v4 ? kOther4 : kOther6);
      ASSERT_EQ(header.destination, is_v4 ? kHost4 : kHost6);
      ASSERT_EQ(header.hop_limit, 64);
      const std::size_t at = header.header_len;
      ASSERT_EQ(reply[at], is_v4 ? 0 : 129);
      ASSERT_EQ(reply[at + 1], 0);
      ASSERT_TRUE(icmp_checksum_is_right(reply));
      if (is_v4) {
        ASSERT_EQ(test::plain_checksum(std::span(reply).first(20)), 0);
      }
      ASSERT_TRUE(std::equal(reply.begin() + static_cast<std::ptrdiff_t>(at) + 4, reply.end(),
                             request.begin() + static_cast<std::ptrdiff_t>(at) + 4));
    }
  }
}

TEST(EchoReply, LeavesEverythingElseUntouched) {
  test::Random random(12);
  const Bytes v4 = echo_request(true, 56, random);
  const Bytes v6 = echo_request(false, 56, random);
  const auto refuses = [](Bytes packet) {
    const Bytes before = packet;
    const bool replied = echo_reply_in_place(packet, parse_ip(packet).value());
    return !replied && packet == before;
  };
  const auto changed = [](Bytes packet, std::size_t at, std::uint8_t value) {
    packet[at] = value;
    if (at < 20 && packet[0] >> 4 == 4) {
      store_be16(&packet[10], 0);
      store_be16(&packet[10], test::plain_checksum(std::span(packet).first(20)));
    }
    return packet;
  };
  EXPECT_FALSE(refuses(v4));
  EXPECT_FALSE(refuses(v6));
  EXPECT_TRUE(refuses(changed(v4, 20, 0)));           // a reply
  EXPECT_TRUE(refuses(changed(v4, 21, 1)));           // another code
  EXPECT_TRUE(refuses(changed(v4, 50, v4[50] ^ 1)));  // corrupted
  EXPECT_TRUE(refuses(changed(v6, 70, v6[70] ^ 1)));
  EXPECT_TRUE(refuses(changed(v4, 6, 0x20)));  // a fragment
  EXPECT_TRUE(refuses(changed(v4, 7, 1)));
  EXPECT_TRUE(refuses(changed(v4, 9, 58)));  // the other family's protocol
  EXPECT_TRUE(refuses(changed(v6, 6, 1)));
  EXPECT_TRUE(refuses(changed(v4, 16, 224)));  // to a group
  EXPECT_TRUE(refuses(changed(v4, 12, 127)));  // from loopback
  EXPECT_TRUE(refuses(test::v4_packet(kHost4, kOther4, 1, Bytes(7, 8))));
  EXPECT_TRUE(refuses(test::v6_packet(kHost6, kOther6, 58, Bytes{})));
  Bytes bad_header_checksum = v4;
  bad_header_checksum[10] ^= 1;
  EXPECT_TRUE(refuses(bad_header_checksum));
}

}  // namespace
}  // namespace hawser
