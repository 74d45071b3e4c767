#include <gtest/gtest.h>

#include <array>
#include <type_traits>
#include <vector>

#include "base/hex.h"
#include "base/result.h"
#include "base/secret.h"
#include "base/wire.h"

namespace hawser {
namespace {

TEST(Hex, GoesBothWaysInEitherCase) {
  const std::vector<std::uint8_t> bytes = {0x00, 0x0f, 0xa5, 0xff, 0x10};
  EXPECT_EQ(to_hex(bytes), "000fa5ff10");
  std::vector<std::uint8_t> back(5);
  EXPECT_TRUE(from_hex(back, "000fA5Ff10"));
  EXPECT_EQ(back, bytes);
}

TEST(Hex, RefusesEveryOtherCharacterAndLength) {
  std::array<std::uint8_t, 1> out{};
  for (int c = 0; c < 256; ++c) {
    const bool digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    const std::string text = {static_cast<char>(c), '0'};
    const std::string other = {'0', static_cast<char>(c)};
    EXPECT_EQ(from_hex(out, text), digit) << c;
    EXPECT_EQ(from_hex(out, other), digit) << c;
  }
  EXPECT_FALSE(from_hex(out, "0"));
  EXPECT_FALSE(from_hex(out, "000"));
  EXPECT_FALSE(from_hex(out, ""));
}

TEST(Wire, HasTheByteOrderThatItSays) {
  std::array<std::uint8_t, 9> raw{};
  store_le32(&raw[1], 0x01020304);
  EXPECT_EQ(raw[1], 4);
  EXPECT_EQ(load_be32(&raw[1]), 0x04030201U);
  store_be64(&raw[1], 0x0102030405060708);
  EXPECT_EQ(raw[1], 1);
  EXPECT_EQ(load_be16(&raw[1]), 0x0102);
  EXPECT_EQ(load_le16(&raw[1]), 0x0201);
  EXPECT_EQ(load_le64(&raw[1]), 0x0807060504030201U);
}

TEST(Secret, CannotBeCopiedAndIsWipedWhenMovedFrom) {
  static_assert(!std::is_copy_constructible_v<Secret<32>>);
  static_assert(!std::is_copy_assignable_v<Secret<32>>);
  Secret<4> secret(std::array<std::uint8_t, 4>{1, 2, 3, 4});
  Secret<4> moved(std::move(secret));
  EXPECT_TRUE(secret.is_zero());  // NOLINT: that is the point
  EXPECT_EQ(moved.bytes()[3], 4);
  Secret<4> assigned;
  assigned = std::move(moved);
  EXPECT_TRUE(moved.is_zero());  // NOLINT
  const Secret<4> copy = assigned.clone();
  assigned.clear();
  EXPECT_TRUE(assigned.is_zero());
  EXPECT_FALSE(copy.is_zero());
}

TEST(Secret, IsWipedWhenItGoes) {
  alignas(Secret<32>) std::array<std::uint8_t, sizeof(Secret<32>)> place;
  std::array<std::uint8_t, 32> bytes;
  bytes.fill(0x5a);
  auto* const secret = new (place.data()) Secret<32>(bytes);
  EXPECT_FALSE(secret->is_zero());
  secret->~Secret();
  for (const std::uint8_t byte : place) EXPECT_EQ(byte, 0);
}

TEST(Result, HoldsAValueOrAnError) {
  const Result<int> good = 5;
  EXPECT_TRUE(good.ok());
  EXPECT_EQ(*good, 5);
  const Result<int> bad = Error{"no", 22};
  EXPECT_FALSE(bad);
  EXPECT_EQ(bad.error().code, 22);
  const Status fine;
  EXPECT_TRUE(fine);
  const Status failed = Error{"no", 5};
  EXPECT_FALSE(failed);
  EXPECT_EQ(failed.error().message, "no");
}

}  // namespace
}  // namespace hawser
