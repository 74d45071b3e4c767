#include <gtest/gtest.h>

#include "packets.h"
#include "routing/checksum.h"

namespace hawser {
namespace {

using test::Bytes;

TEST(Checksum, MatchesTheExampleOfRfc1071) {
  const Bytes bytes = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
  EXPECT_EQ(checksum_fold(checksum_add(0, bytes)), 0xddf2);
  EXPECT_EQ(checksum_finish(checksum_add(0, bytes)), 0x220d);
}

TEST(Checksum, OfEveryLengthAndAlignmentMatchesWordByWord) {
  test::Random random(3);
  const Bytes bytes = test::random_bytes(random, 400);
  for (std::size_t start = 0; start < 9; ++start) {
    for (std::size_t len = 0; len <= 300; ++len) {
      const std::span<const std::uint8_t> part = std::span(bytes).subspan(start, len);
      ASSERT_EQ(checksum_finish(checksum_add(0, part)), test::plain_checksum(part))
          << start << " " << len;
    }
  }
}

TEST(Checksum, OfOnesNeverLosesACarry) {
  for (std::size_t len = 0; len <= 70000; len = len * 2 + 1) {
    const Bytes ones(len, 0xff);
    ASSERT_EQ(checksum_finish(checksum_add(0, ones)), test::plain_checksum(ones)) << len;
  }
}

TEST(Checksum, IsTheSameInPiecesOfEvenLength) {
  test::Random random(4);
  for (int i = 0; i < 2000; ++i) {
    const Bytes bytes = test::random_bytes(random, random() % 500);
    const std::size_t cut = random() % (bytes.size() / 2 + 1) * 2;
    const std::uint64_t first = checksum_add(0, std::span(bytes).first(cut));
    ASSERT_EQ(checksum_finish(checksum_add(first, std::span(bytes).subspan(cut))),
              test::plain_checksum(bytes));
  }
}

TEST(Checksum, NumbersMayBeAddedToAPartialSum) {
  const Bytes bytes = {0x12, 0x34, 0x00, 0x11};
  EXPECT_EQ(checksum_finish(checksum_add(0x11, std::span(bytes).first(2))),
            test::plain_checksum(bytes));
}

TEST(Checksum, OfThePseudoHeaderMatchesItsBytes) {
  test::Random random(5);
  for (int i = 0; i < 2000; ++i) {
    const IpFamily family = i % 2 == 0 ? IpFamily::kV4 : IpFamily::kV6;
    const IpAddress source = test::random_address(random, family);
    const IpAddress destination = test::random_address(random, family);
    const std::uint8_t protocol = static_cast<std::uint8_t>(random());
    const std::uint32_t len = static_cast<std::uint32_t>(random() % 65536);
    ASSERT_EQ(checksum_fold(pseudo_header_sum(source, destination, protocol, len)),
              test::plain_pseudo_sum(source, destination, protocol, len));
  }
}

TEST(Checksum, AdjustedForOneWordEqualsRecomputed) {
  test::Random random(6);
  for (int i = 0; i < 200000; ++i) {
    Bytes header = test::random_bytes(random, 20);
    header[0] = 0x45;  // as in any header, not all words are zero
    const std::size_t word = random() % 9 + 1;
    if (i % 3 == 0) store_be16(&header[2 * word], i % 2 == 0 ? 0 : 0xffff);
    const std::uint16_t before = test::plain_checksum(header);
    const std::uint16_t old_word = load_be16(&header[2 * word]);
    const std::uint16_t new_word =
        i % 5 == 0 ? (i % 2 == 0 ? 0 : 0xffff) : static_cast<std::uint16_t>(random());
    store_be16(&header[2 * word], new_word);
    ASSERT_EQ(checksum_adjust(before, old_word, new_word), test::plain_checksum(header))
        << old_word << " -> " << new_word;
  }
}

}  // namespace
}  // namespace hawser
