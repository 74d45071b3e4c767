#include <algorithm>

#include "gtest/gtest.h"
#include "routing/fragmenter.h"
#include "routing/ip_packet.h"
#include "tests/routing/packets.h"

namespace hawser {
namespace {

using test::Bytes;

// An IPv4 packet that may be fragmented, with so many bytes of options (no-operations).
Bytes packet_of(std::size_t payload_len, std::size_t options_len = 0, std::uint16_t field = 0) {
  test::Random random(payload_len);
  Bytes packet = test::v4_packet(test::address("10.0.0.1"), test::address("10.0.0.2"), 17,
                                 test::random_bytes(random, payload_len));
  packet.insert(packet.begin() + 20, options_len, 1);
  packet[0] = static_cast<std::uint8_t>(0x45 + options_len / 4);
  store_be16(&packet[2], static_cast<std::uint16_t>(packet.size()));
  store_be16(&packet[4], 0xbeef);
  store_be16(&packet[6], field);
  return packet;
}

std::vector<Bytes> fragments_of(const Bytes& packet, std::uint32_t mtu) {
  std::vector<Bytes> fragments;
  const auto cut = Fragmenter::begin(packet, parse_ip(packet).value(), mtu);
  for (std::uint32_t i = 0; cut && i < cut->num_fragments(); ++i) {
    fragments.emplace_back(cut->fragment_len(i));
    cut->write(i, fragments.back().data());
  }
  return fragments;
}

TEST(Fragmenter, FragmentsTogetherAreThePacket) {
  for (const std::size_t options_len : {0U, 8U, 40U}) {
    for (const std::uint32_t mtu : {68U, 576U, 1280U, 1283U, 1420U}) {
      const Bytes packet = packet_of(3000, options_len);
      const std::size_t header_len = 20 + options_len;
      Bytes payload;
      const std::vector<Bytes> fragments = fragments_of(packet, mtu);
      ASSERT_GT(fragments.size(), 1U);
      for (const Bytes& fragment : fragments) {
        ASSERT_LE(fragment.size(), mtu);
        const auto header = parse_ip(fragment);
        ASSERT_TRUE(header);
        EXPECT_EQ(header->packet_len, fragment.size());
        EXPECT_EQ(header->header_len, header_len);
        EXPECT_EQ(test::plain_checksum(std::span(fragment).first(header_len)), 0);
        EXPECT_EQ(load_be16(&fragment[4]), 0xbeef);
        const auto upper = find_upper_layer(fragment, *header);
        EXPECT_TRUE(upper->fragmented);
        EXPECT_EQ(upper->fragment_at, payload.size());
        EXPECT_EQ((load_be16(&fragment[6]) & 0x2000) == 0, &fragment == &fragments.back());
        payload.insert(payload.end(), fragment.begin() + static_cast<std::ptrdiff_t>(header_len),
                       fragment.end());
      }
      EXPECT_TRUE(std::equal(payload.begin(), payload.end(),
                             packet.begin() + static_cast<std::ptrdiff_t>(header_len),
                             packet.end()));
    }
  }
}

// What another router cut before: offsets count from the whole packet's start, and more follows
// where more followed.
TEST(Fragmenter, AFragmentIsCutIntoFragmentsOfTheWhole) {
  for (const unsigned more : {0U, 0x2000U}) {
    const auto field = static_cast<std::uint16_t>(more | 100);
    const std::vector<Bytes> fragments = fragments_of(packet_of(1000, 0, field), 576);
    ASSERT_EQ(fragments.size(), 2U);
    EXPECT_EQ(load_be16(&fragments[0][6]), 0x2000U | 100U);
    EXPECT_EQ(load_be16(&fragments[1][6]), more | (100U + 552U / 8));
  }
}

TEST(Fragmenter, NeedsRoomForEightBytes) {
  EXPECT_EQ(fragments_of(packet_of(24), 28).size(), 3U);
  EXPECT_TRUE(fragments_of(packet_of(24), 27).empty());
  EXPECT_TRUE(fragments_of(packet_of(24, 40), 67).empty());
}

}  // namespace
}  // namespace hawser
