#include <gtest/gtest.h>

#include "tests/dataplane/pair.h"

namespace hawser::testing {
namespace {

TEST(FirstFlow, AStagedPacketCrossesAfterTheHandshake) {
  Pair pair;
  const Packet packet = pair.from_a(7);
  pair.a.send(packet);
  EXPECT_TRUE(pair.a.woken());
  EXPECT_TRUE(pair.a.sent.empty());
  pair.deliver();
  ASSERT_EQ(pair.b.to_tun.size(), 1U);
  EXPECT_EQ(pair.b.to_tun[0], packet);
}

TEST(FirstFlow, DataCrossesInBothDirectionsAndBothFamilies) {
  Pair pair;
  pair.connect();
  const Packet v6 = make_packet({.source = address("fd00::2"),
                                 .destination = address("fd00::1"),
                                 .id = 9,
                                 .payload_len = 1000});
  pair.b.send({pair.from_b(8), v6});
  EXPECT_EQ(pair.b.sent.size(), 2U);
  pair.deliver();
  ASSERT_EQ(pair.a.to_tun.size(), 2U);
  EXPECT_EQ(pair.a.to_tun[0], pair.from_b(8));
  EXPECT_EQ(pair.a.to_tun[1], v6);
  EXPECT_EQ(total_drops(pair.a.device()), 0U);
  EXPECT_EQ(total_drops(pair.b.device()), 0U);
}

}  // namespace
}  // namespace hawser::testing
