#include <gtest/gtest.h>

#include "packets.h"
#include "routing/ip_packet.h"

namespace hawser {
namespace {

using test::address;
using test::Bytes;

const IpAddress kSource4 = address("10.0.0.1");
const IpAddress kDestination4 = address("10.0.0.2");
const IpAddress kSource6 = address("fd00::1");
const IpAddress kDestination6 = address("fd00::2");

TEST(ParseIp, RandomBytesOfEveryLengthNeverClaimMoreThanThereIs) {
  test::Random random(7);
  for (std::size_t len = 0; len <= 200; ++len) {
    for (int i = 0; i < 300; ++i) {
      Bytes bytes = test::random_bytes(random, len);
      if (len > 0) bytes[0] = static_cast<std::uint8_t>((i % 2 == 0 ? 0x40 : 0x60) | i % 16);
      // Half of them with a length field near the truth.
      const std::uint16_t near = static_cast<std::uint16_t>(random() % (len + 3));
      if (len > 5 && i % 4 < 2) store_be16(&bytes[i % 2 == 0 ? 2 : 4], near);
      // An exact heap block, so that a sanitizer sees any byte too far.
      const std::optional<IpHeader> header = parse_ip(bytes);
      if (!header) continue;
      ASSERT_LE(header->packet_len, len);
      ASSERT_LE(header->header_len, header->packet_len);
      ASSERT_GE(header->header_len, 20);
      const std::optional<UpperLayer> upper = find_upper_layer(bytes, *header);
      if (upper) {
        ASSERT_LE(upper->offset, header->packet_len);
      }
    }
  }
}

TEST(ParseIp, ReadsEveryFieldOfIpv4) {
  Bytes packet = test::v4_packet(kSource4, kDestination4, 17, Bytes(30), 0xb9, 7);
  packet.resize(packet.size() + 14);  // padding
  const std::optional<IpHeader> header = parse_ip(packet);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->source, kSource4);
  EXPECT_EQ(header->destination, kDestination4);
  EXPECT_EQ(header->packet_len, 50U);
  EXPECT_EQ(header->header_len, 20);
  EXPECT_EQ(header->protocol, 17);
  EXPECT_EQ(header->hop_limit, 7);
  EXPECT_EQ(header->traffic_class, 0xb9);
  EXPECT_TRUE(header->dont_fragment);
  packet[6] = 0;
  EXPECT_FALSE(parse_ip(packet)->dont_fragment);
}

TEST(ParseIp, ReadsEveryFieldOfIpv6) {
  Bytes packet = test::v6_packet(kSource6, kDestination6, 6, Bytes(30), 0xb9, 7);
  packet[2] = 0xff;  // flow label
  packet.resize(packet.size() + 10);
  const std::optional<IpHeader> header = parse_ip(packet);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->source, kSource6);
  EXPECT_EQ(header->destination, kDestination6);
  EXPECT_EQ(header->packet_len, 70U);
  EXPECT_EQ(header->header_len, 40);
  EXPECT_EQ(header->protocol, 6);
  EXPECT_EQ(header->hop_limit, 7);
  EXPECT_EQ(header->traffic_class, 0xb9);
  EXPECT_TRUE(header->dont_fragment);
}

TEST(ParseIp, RefusesWhatIsNoPacket) {
  const Bytes v4 = test::v4_packet(kSource4, kDestination4, 17, Bytes(10));
  const Bytes v6 = test::v6_packet(kSource6, kDestination6, 17, Bytes(10));
  EXPECT_FALSE(parse_ip(Bytes{}));
  for (std::size_t len = 0; len < v4.size(); ++len) {
    EXPECT_FALSE(parse_ip(std::span(v4).first(len))) << len;
  }
  for (std::size_t len = 0; len < v6.size(); ++len) {
    EXPECT_FALSE(parse_ip(std::span(v6).first(len))) << len;
  }
  for (unsigned version = 0; version < 16; ++version) {
    Bytes packet = v4;
    packet[0] = static_cast<std::uint8_t>(version << 4 | 5);
    EXPECT_EQ(parse_ip(packet).has_value(), version == 4) << version;
  }
  for (unsigned words = 0; words < 16; ++words) {
    Bytes packet = v4;  // 30 bytes: header lengths of 5, 6 and 7 words fit
    packet[0] = static_cast<std::uint8_t>(0x40 | words);
    EXPECT_EQ(parse_ip(packet).has_value(), words >= 5 && words <= 7) << words;
  }
  Bytes short_total = v4;
  store_be16(&short_total[2], 19);
  EXPECT_FALSE(parse_ip(short_total));
}

Bytes extension(std::uint8_t next, std::size_t len, std::uint8_t length_field) {
  Bytes bytes(len);
  bytes[0] = next;
  bytes[1] = length_field;
  return bytes;
}

Bytes join(std::initializer_list<Bytes> parts) {
  Bytes all;
  for (const Bytes& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

TEST(UpperLayer, IsFoundBehindExtensionHeaders) {
  const Bytes packet =
      test::v6_packet(kSource6, kDestination6, 0,
                      join({extension(60, 8, 0), extension(43, 16, 1), extension(51, 8, 0),
                            extension(44, 12, 1), extension(6, 8, 0), Bytes(20)}));
  const std::optional<UpperLayer> upper = find_upper_layer(packet, *parse_ip(packet));
  ASSERT_TRUE(upper);
  EXPECT_EQ(upper->protocol, 6);
  EXPECT_EQ(upper->offset, 40U + 8 + 16 + 8 + 12 + 8);
  EXPECT_FALSE(upper->fragmented);
  EXPECT_TRUE(upper->has_start);
  EXPECT_FALSE(upper->source_routed);
}

TEST(UpperLayer, FragmentsAreToldFromAtomicOnes) {
  Bytes fragment = extension(17, 8, 0);
  Bytes packet = test::v6_packet(kSource6, kDestination6, 44, join({fragment, Bytes(16)}));
  EXPECT_FALSE(find_upper_layer(packet, *parse_ip(packet))->fragmented);
  packet[40 + 3] = 1;  // more fragments
  EXPECT_TRUE(find_upper_layer(packet, *parse_ip(packet))->fragmented);
  EXPECT_TRUE(find_upper_layer(packet, *parse_ip(packet))->has_start);
  packet[40 + 3] = 8;  // offset
  EXPECT_TRUE(find_upper_layer(packet, *parse_ip(packet))->fragmented);
  EXPECT_FALSE(find_upper_layer(packet, *parse_ip(packet))->has_start);

  Bytes v4 = test::v4_packet(kSource4, kDestination4, 17, Bytes(16));
  EXPECT_FALSE(find_upper_layer(v4, *parse_ip(v4))->fragmented);
  store_be16(&v4[6], 0x2000);
  EXPECT_TRUE(find_upper_layer(v4, *parse_ip(v4))->fragmented);
  EXPECT_TRUE(find_upper_layer(v4, *parse_ip(v4))->has_start);
  store_be16(&v4[6], 0x0001);
  EXPECT_FALSE(find_upper_layer(v4, *parse_ip(v4))->has_start);
}

// Both bounds are exact: the whole packet, put together, may have 65,535 bytes, an IPv6 one behind
// its fixed header.
TEST(ParseIp, RefusesAFragmentThatEndsBeyondTheLongestPacket) {
  for (const std::uint16_t more : {std::uint16_t{0}, std::uint16_t{0x2000}}) {
    Bytes v4 = test::v4_packet(kSource4, kDestination4, 17, Bytes(1460));
    store_be16(&v4[6], static_cast<std::uint16_t>(more | (65535 - 1480) / 8));
    EXPECT_TRUE(parse_ip(v4));
    store_be16(&v4[6], static_cast<std::uint16_t>(more | ((65535 - 1480) / 8 + 1)));
    EXPECT_FALSE(parse_ip(v4));
  }
  // Behind another header, which is part of the whole too.
  Bytes v6 = test::v6_packet(kSource6, kDestination6, 60,
                             join({extension(44, 8, 0), extension(17, 8, 0), Bytes(1400)}));
  store_be16(&v6[40 + 8 + 2], (65535 - 1408) & 0xfff8);
  EXPECT_TRUE(parse_ip(v6));
  store_be16(&v6[40 + 8 + 2], ((65535 - 1408) & 0xfff8) + 8);
  EXPECT_FALSE(parse_ip(v6));
}

TEST(UpperLayer, SegmentsLeftAreSeen) {
  Bytes routing = extension(6, 8, 0);
  routing[3] = 1;
  const Bytes packet = test::v6_packet(kSource6, kDestination6, 43, join({routing, Bytes(20)}));
  EXPECT_TRUE(find_upper_layer(packet, *parse_ip(packet))->source_routed);
}

TEST(ParseIp, RefusesMoreExtensionHeadersThanItLooksBehind) {
  const auto behind = [](int num, std::uint8_t last) {
    Bytes chain;
    for (int i = 1; i < num; ++i) chain = join({chain, extension(60, 8, 0)});
    return test::v6_packet(kSource6, kDestination6, 60,
                           join({chain, extension(last, 8, 0), Bytes(1400)}));
  };
  EXPECT_TRUE(parse_ip(behind(8, 17)));
  EXPECT_FALSE(parse_ip(behind(8, 60))) << "a ninth";
  // The fragment that ends beyond the longest packet is the last that is looked at, or one behind.
  for (const int num : {7, 8, 20}) {
    Bytes packet = behind(num, 44);
    const std::size_t fragment = 40 + static_cast<std::size_t>(num) * 8;
    packet[fragment] = 17;
    EXPECT_EQ(parse_ip(packet).has_value(), num == 7) << num;
    store_be16(&packet[fragment + 2], 0xfff8);
    EXPECT_FALSE(parse_ip(packet)) << num;
  }
}

TEST(UpperLayer, CutOffOrEndlessChainsAreRefused) {
  for (const Bytes& chain :
       {Bytes(7), extension(6, 8, 1), extension(60, 8, 0), extension(6, 8, 255)}) {
    const Bytes packet = test::v6_packet(kSource6, kDestination6, 60, chain);
    EXPECT_FALSE(find_upper_layer(packet, *parse_ip(packet)));
  }
  Bytes endless;
  for (int i = 0; i < 100; ++i) endless = join({endless, extension(60, 8, 0)});
  EXPECT_FALSE(parse_ip(test::v6_packet(kSource6, kDestination6, 60, endless)));
}

TEST(DecrementHopLimit, KeepsTheChecksumRightAndTouchesNothingElse) {
  test::Random random(8);
  for (int i = 0; i < 100000; ++i) {
    const IpFamily family = i % 2 == 0 ? IpFamily::kV4 : IpFamily::kV6;
    const std::uint8_t hop_limit = static_cast<std::uint8_t>(2 + random() % 254);
    Bytes packet =
        test::ip_packet(test::random_address(random, family), test::random_address(random, family),
                        static_cast<std::uint8_t>(random()), Bytes(8),
                        static_cast<std::uint8_t>(random()), hop_limit);
    Bytes expected = packet;
    if (family == IpFamily::kV4) {
      expected[8] = static_cast<std::uint8_t>(hop_limit - 1);
      store_be16(&expected[10], 0);
      store_be16(&expected[10], test::plain_checksum(std::span(expected).first(20)));
    } else {
      expected[7] = static_cast<std::uint8_t>(hop_limit - 1);
    }
    decrement_hop_limit(packet);
    ASSERT_EQ(packet, expected);
  }
}

TEST(DecrementHopLimit, LeavesAWrongChecksumWrong) {
  Bytes packet = test::v4_packet(kSource4, kDestination4, 17, Bytes(8));
  packet[10] ^= 0x40;
  decrement_hop_limit(packet);
  EXPECT_NE(test::plain_checksum(std::span(packet).first(20)), 0);
}

TEST(Ecn, OuterHeaderCarriesInnerEcnAndNoDscp) {
  for (unsigned inner = 0; inner < 256; ++inner) {
    EXPECT_EQ(outer_traffic_class(static_cast<std::uint8_t>(inner)), inner & 3);
  }
}

TEST(Ecn, DecapsulationFollowsRfc6040InAllSixteenCases) {
  constexpr std::uint8_t kNot = kEcnNotEct;
  constexpr std::uint8_t kE0 = kEcnEct0;
  constexpr std::uint8_t kE1 = kEcnEct1;
  constexpr std::uint8_t kCe = kEcnCe;
  struct Case {
    std::uint8_t inner, outer, result;
  };
  // RFC 6040 figure 4; instead of a drop the inner packet stays as it is.
  const Case kCases[] = {
      {kNot, kNot, kNot}, {kNot, kE0, kNot}, {kNot, kE1, kNot}, {kNot, kCe, kNot},
      {kE0, kNot, kE0},   {kE0, kE0, kE0},   {kE0, kE1, kE1},   {kE0, kCe, kCe},
      {kE1, kNot, kE1},   {kE1, kE0, kE1},   {kE1, kE1, kE1},   {kE1, kCe, kCe},
      {kCe, kNot, kCe},   {kCe, kE0, kCe},   {kCe, kE1, kCe},   {kCe, kCe, kCe},
  };
  test::Random random(9);
  for (const Case& c : kCases) {
    for (int i = 0; i < 200; ++i) {
      const std::uint8_t dscp = static_cast<std::uint8_t>(random() & 0xfc);
      const IpFamily family = i % 2 == 0 ? IpFamily::kV4 : IpFamily::kV6;
      const IpAddress source = test::random_address(random, family);
      const IpAddress destination = test::random_address(random, family);
      Bytes packet = test::ip_packet(source, destination, 6, Bytes(8), dscp | c.inner);
      const Bytes expected = test::ip_packet(source, destination, 6, Bytes(8), dscp | c.result);
      // The outer DSCP has no influence.
      const std::uint8_t now =
          decapsulate_ecn(packet, static_cast<std::uint8_t>((random() & 0xfc) | c.outer));
      EXPECT_EQ(now, dscp | c.result);
      ASSERT_EQ(packet, expected) << unsigned{c.inner} << " " << unsigned{c.outer};
    }
  }
}

TEST(Ecn, DecapsulationKeepsTheFlowLabel) {
  Bytes packet = test::v6_packet(kSource6, kDestination6, 6, Bytes(8), kEcnEct0);
  packet[1] |= 0x0a;
  packet[2] = 0xbc;
  packet[3] = 0xde;
  decapsulate_ecn(packet, kEcnCe);
  EXPECT_EQ(load_be32(packet.data()), 0x603abcdeU);
}

TEST(IpHeader, OfOurOwnIsWrittenWhole) {
  for (const bool is_v4 : {true, false}) {
    const IpAddress source = is_v4 ? test::address("10.0.0.1") : kSource6;
    const IpAddress destination = is_v4 ? test::address("10.0.0.2") : kDestination6;
    Bytes packet(100, 0xff);
    const std::size_t len = write_ip_header(packet, source, destination, 17, 9, 0xb8);
    EXPECT_EQ(len, is_v4 ? 20U : 40U);
    const Bytes payload(packet.begin() + static_cast<std::ptrdiff_t>(len), packet.end());
    EXPECT_EQ(packet, is_v4 ? test::v4_packet(source, destination, 17, payload, 0xb8, 9)
                            : test::v6_packet(source, destination, 17, payload, 0xb8, 9));
  }
}

}  // namespace
}  // namespace hawser
