#include "noise/messages.h"

#include <optional>

#include "noise/tai64n.h"
#include "support.h"

namespace hawser::test {
namespace {

std::optional<MessageType> classify(std::array<std::uint8_t, 4> word, std::size_t len) {
  std::vector<std::uint8_t> datagram(len);
  std::copy_n(word.begin(), std::min<std::size_t>(len, 4), datagram.begin());
  return classify_message(datagram);
}

TEST(ClassifyMessage, HandshakeMessagesHaveOneLengthAndDataAtLeast32) {
  for (std::size_t len = 0; len <= 2000; ++len) {
    EXPECT_EQ(classify({1, 0, 0, 0}, len) == MessageType::kInitiation, len == 148);
    EXPECT_EQ(classify({2, 0, 0, 0}, len) == MessageType::kResponse, len == 92);
    EXPECT_EQ(classify({3, 0, 0, 0}, len) == MessageType::kCookieReply, len == 64);
    EXPECT_EQ(classify({4, 0, 0, 0}, len) == MessageType::kTransportData, len >= 32);
  }
}

TEST(ClassifyMessage, OtherTypesAreDropped) {
  for (int type = 0; type < 256; ++type) {
    if (type >= 1 && type <= 4) continue;
    for (const std::size_t len : {32U, 64U, 92U, 148U, 1500U}) {
      EXPECT_FALSE(classify({static_cast<std::uint8_t>(type), 0, 0, 0}, len));
    }
  }
}

TEST(ClassifyMessage, ReservedBytesMustBeZero) {
  constexpr std::array<std::size_t, 5> kLengths = {0, 148, 92, 64, 1000};
  for (std::uint8_t type = 1; type <= 4; ++type) {
    for (std::size_t place = 1; place < 4; ++place) {
      for (int bit = 0; bit < 8; ++bit) {
        std::array<std::uint8_t, 4> word = {type, 0, 0, 0};
        word[place] = static_cast<std::uint8_t>(1 << bit);
        EXPECT_FALSE(classify(word, kLengths[type]));
      }
    }
  }
}

TEST(Tai64n, LabelCarriesSecondsFromTheTaiEpoch) {
  EXPECT_EQ(hex(to_tai64n({0, 0})), "400000000000000a00000000");
  EXPECT_EQ(hex(to_tai64n({0x67748580, 0x12000000})), "400000006774858a12000000");
  EXPECT_EQ(hex(to_tai64n({-11, 0})), "3fffffffffffffff00000000");
}

TEST(Tai64n, NanosecondsAreRoundedDownSoThatTheClockIsNotLeaked) {
  EXPECT_EQ(hex(to_tai64n({0, 0x00ffffff})), "400000000000000a00000000");
  EXPECT_EQ(hex(to_tai64n({0, 0x01000000})), "400000000000000a01000000");
  EXPECT_EQ(hex(to_tai64n({0, 999'999'999})), "400000000000000a3b000000");
}

TEST(Tai64n, LaterTimesCompareGreater) {
  EXPECT_LT(to_tai64n({5, 0}), to_tai64n({5, 1U << 24}));
  EXPECT_LT(to_tai64n({5, 999'999'999}), to_tai64n({6, 0}));
  EXPECT_LT(to_tai64n({255, 0}), to_tai64n({256, 0}));
}

}  // namespace
}  // namespace hawser::test
