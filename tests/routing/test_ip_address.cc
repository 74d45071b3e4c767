#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <unordered_set>

#include "packets.h"
#include "routing/endpoint.h"
#include "routing/ip_address.h"

namespace hawser {
namespace {

using test::address;
using test::prefix;

TEST(IpAddressText, IsPrintedAsRfc5952Says) {
  const std::pair<const char*, const char*> kCases[] = {
      {"2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1"},
      {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},     // first of equal runs
      {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},  // one group is not shortened
      {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},           // the longest run
      {"2001:DB8::ABCD", "2001:db8::abcd"},              // lower case
      {"0:0:0:0:0:0:0:0", "::"},
      {"0:0:0:0:0:0:0:1", "::1"},
      {"1:0:0:0:0:0:0:0", "1::"},
      {"0:0:1::", "0:0:1::"},
      {"1:2:3:4:5:6:0:0", "1:2:3:4:5:6::"},
      {"::ffff:c000:0201", "::ffff:192.0.2.1"},  // §5
      {"::192.0.2.1", "::c000:201"},
      {"64:ff9b::192.0.2.33", "64:ff9b::c000:221"},
      {"192.0.2.1", "192.0.2.1"},
      {"0.0.0.0", "0.0.0.0"},
      {"255.255.255.255", "255.255.255.255"},
  };
  for (const auto& [text, expected] : kCases) {
    EXPECT_EQ(address(text).to_string(), expected) << text;
  }
}

TEST(IpAddressText, ComesBackUnchangedFromItsText) {
  test::Random random(1);
  for (int i = 0; i < 20000; ++i) {
    IpAddress written = test::random_address(random, i % 2 == 0 ? IpFamily::kV4 : IpFamily::kV6);
    const std::uint64_t zero_groups = random();
    for (std::size_t g = 0; g < written.size(); ++g) {
      if ((zero_groups >> (g / 2) & 1) != 0) written.bytes[g] = 0;
    }
    ASSERT_EQ(IpAddress::parse(written.to_string()), written) << written.to_string();
  }
}

TEST(IpAddressText, NothingElseIsAccepted) {
  using std::string_view_literals::operator""sv;
  for (const std::string_view text :
       {""sv,           "127.1"sv,         "1.2.3"sv,
        "1.2.3.4.5"sv,  "256.0.0.1"sv,     "01.2.3.4"sv,
        "1.2.3.4 "sv,   " 1.2.3.4"sv,      "0x7f.0.0.1"sv,
        "1.2.3.4:80"sv, "fe80::1%eth0"sv,  "fe80::1%1"sv,
        "[::1]"sv,      ":::"sv,           "1::2::3"sv,
        "12345::"sv,    "1:2:3:4:5:6:7"sv, "1:2:3:4:5:6:7:8:9"sv,
        "::1/64"sv,     "1.2.3.4\0"sv,     "::1\0x"sv,
        "localhost"sv,  "::g"sv,           "0000:0000:0000:0000:0000:ffff:255.255.255.2555"sv}) {
    EXPECT_FALSE(IpAddress::parse(text).has_value()) << text;
  }
}

TEST(IpAddressKinds, AreToldApart) {
  EXPECT_TRUE(address("::").is_unspecified());
  EXPECT_TRUE(address("0.0.0.0").is_unspecified());
  EXPECT_FALSE(address("::1").is_unspecified());
  EXPECT_TRUE(address("224.0.0.1").is_multicast());
  EXPECT_TRUE(address("239.255.255.255").is_multicast());
  EXPECT_TRUE(address("255.255.255.255").is_multicast());
  EXPECT_FALSE(address("223.255.255.255").is_multicast());
  EXPECT_FALSE(address("240.0.0.1").is_multicast());
  EXPECT_TRUE(address("ff02::1").is_multicast());
  EXPECT_FALSE(address("fe80::1").is_multicast());
  EXPECT_TRUE(address("127.8.8.8").is_loopback());
  EXPECT_TRUE(address("::1").is_loopback());
  EXPECT_FALSE(address("::2").is_loopback());
  EXPECT_FALSE(address("::ffff:127.0.0.1").is_loopback());
  EXPECT_TRUE(address("fe80::1").is_link_local());
  EXPECT_TRUE(address("febf::1").is_link_local());
  EXPECT_FALSE(address("fec0::1").is_link_local());
  EXPECT_TRUE(address("169.254.1.1").is_link_local());
  EXPECT_FALSE(address("169.255.1.1").is_link_local());
}

TEST(IpAddressHash, DiffersBetweenFamiliesAndNeighbours) {
  std::unordered_set<std::size_t> hashes;
  for (unsigned i = 0; i < 10000; ++i) {
    IpAddress v4 = address("10.0.0.0");
    v4.bytes[2] = static_cast<std::uint8_t>(i >> 8);
    v4.bytes[3] = static_cast<std::uint8_t>(i);
    IpAddress v6 = address("fd00::");
    v6.bytes[14] = v4.bytes[2];
    v6.bytes[15] = v4.bytes[3];
    hashes.insert(std::hash<IpAddress>{}(v4));
    hashes.insert(std::hash<IpAddress>{}(v6));
  }
  EXPECT_EQ(hashes.size(), 20000U);
  EXPECT_NE(std::hash<IpAddress>{}(address("0.0.0.0")), std::hash<IpAddress>{}(address("::")));
}

TEST(PrefixText, MasksHostBits) {
  EXPECT_EQ(prefix("10.1.2.3/8").to_string(), "10.0.0.0/8");
  EXPECT_EQ(prefix("10.1.2.3/20").to_string(), "10.1.0.0/20");
  EXPECT_EQ(prefix("10.1.2.3").to_string(), "10.1.2.3/32");
  EXPECT_EQ(prefix("255.255.255.255/0").to_string(), "0.0.0.0/0");
  EXPECT_EQ(prefix("2001:db8:ffff:ffff::1/33").to_string(), "2001:db8:8000::/33");
  EXPECT_EQ(prefix("2001:db8::1").to_string(), "2001:db8::1/128");
  EXPECT_EQ(prefix("ff::/0").to_string(), "::/0");
}

TEST(PrefixText, NothingElseIsAccepted) {
  for (const char* text : {"", "/", "/8", "10.0.0.0/", "10.0.0.0/33", "::/129", "10.0.0.0/-1",
                           "10.0.0.0/+8", "10.0.0.0/08", "10.0.0.0/8 ", "10.0.0.0/8/8", "::/0x10",
                           "10.0.0.0/255.0.0.0", "::/4294967296", "::/ 1"}) {
    EXPECT_FALSE(Prefix::parse(text).has_value()) << text;
  }
}

TEST(PrefixContains, AgreesWithBitByBitComparison) {
  test::Random random(2);
  for (int i = 0; i < 20000; ++i) {
    const IpFamily family = i % 2 == 0 ? IpFamily::kV4 : IpFamily::kV6;
    const IpAddress base = test::random_address(random, family);
    const unsigned length = static_cast<unsigned>(random() % (base.bits() + 1));
    const Prefix network(base, length);
    IpAddress other = base;
    const unsigned bit = static_cast<unsigned>(random() % base.bits());
    other.bytes[bit / 8] ^= static_cast<std::uint8_t>(0x80U >> bit % 8);
    ASSERT_TRUE(network.contains(base));
    ASSERT_EQ(network.contains(other), bit >= length) << network.to_string();
    ASSERT_EQ(network.contains(Prefix(other, other.bits())), bit >= length);
    if (length > 0) {
      ASSERT_FALSE(network.contains(Prefix(base, length - 1)));
      ASSERT_TRUE(Prefix(base, length - 1).contains(network));
    }
  }
  EXPECT_FALSE(prefix("0.0.0.0/0").contains(address("::")));
  EXPECT_FALSE(prefix("::/0").contains(address("0.0.0.0")));
}

TEST(EndpointText, BracketsIpv6AndNamesTheZoneByNumber) {
  Endpoint endpoint;
  endpoint.address = address("192.0.2.1");
  endpoint.port = 51820;
  EXPECT_EQ(endpoint.to_string(), "192.0.2.1:51820");
  endpoint.address = address("2001:db8::1");
  EXPECT_EQ(endpoint.to_string(), "[2001:db8::1]:51820");
  endpoint.address = address("fe80::1");
  endpoint.scope_id = 3;
  EXPECT_EQ(endpoint.to_string(), "[fe80::1%3]:51820");
}

}  // namespace
}  // namespace hawser
