#include "noise/keys.h"

#include <sodium.h>

#include <unordered_set>

#include "noise/identity.h"
#include "support.h"

namespace hawser::test {
namespace {

constexpr char kBase64Alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr char kOneToThirtyTwo[] = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";

PublicKey one_to_thirty_two() {
  PublicKey key;
  for (std::size_t i = 0; i < key.bytes.size(); ++i)
    key.bytes[i] = static_cast<std::uint8_t>(i + 1);
  return key;
}

TEST(KeyBase64, EncodesAsWgShowsKeys) {
  EXPECT_EQ(one_to_thirty_two().to_base64(), kOneToThirtyTwo);
  EXPECT_EQ(one_to_thirty_two().to_short_string(), "AQID…eHyA");
}

TEST(KeyBase64, RandomKeysSurviveTheRoundTrip) {
  SeededRandom random(1);
  for (int i = 0; i < 1000; ++i) {
    PublicKey key;
    random.fill(key.bytes);
    EXPECT_EQ(PublicKey::from_base64(key.to_base64()), key);
  }
}

TEST(KeyBase64, OtherLengthsAreRefused) {
  const std::string good = kOneToThirtyTwo;
  for (std::size_t len = 0; len < good.size(); ++len) {
    EXPECT_FALSE(PublicKey::from_base64(good.substr(0, len))) << len;
  }
  EXPECT_FALSE(PublicKey::from_base64(good + "="));
  EXPECT_FALSE(PublicKey::from_base64(good + "\n"));
  EXPECT_FALSE(PublicKey::from_base64(" " + good));
  EXPECT_FALSE(PublicKey::from_base64(good + std::string(1, '\0')));
}

TEST(KeyBase64, OtherCharactersAreRefusedAtEveryPlace) {
  const std::string alphabet = kBase64Alphabet;
  for (std::size_t place = 0; place < 43; ++place) {
    for (int c = 0; c < 256; ++c) {
      std::string text = kOneToThirtyTwo;
      text[place] = static_cast<char>(c);
      const bool in_alphabet = alphabet.find(text[place]) != std::string::npos;
      if (in_alphabet && place < 42) {
        EXPECT_TRUE(PublicKey::from_base64(text)) << place << " " << c;
      } else if (!in_alphabet) {
        EXPECT_FALSE(PublicKey::from_base64(text)) << place << " " << c;
      }
    }
  }
}

TEST(KeyBase64, OnlyTheCanonicalLastCharacterIsTaken) {
  int taken = 0;
  for (const char c : std::string_view(kBase64Alphabet)) {
    std::string text = kOneToThirtyTwo;
    text[42] = c;
    if (PublicKey::from_base64(text)) ++taken;
  }
  EXPECT_EQ(taken, 16);  // four of its six bits belong to the key

  std::string text = kOneToThirtyTwo;
  text[43] = 'A';
  EXPECT_FALSE(PublicKey::from_base64(text));
  text[42] = '=';
  text[43] = '=';
  EXPECT_FALSE(PublicKey::from_base64(text));
}

TEST(EqualConstantTime, ComparesLengthAndEveryByte) {
  SeededRandom random(2);
  std::array<std::uint8_t, 33> a{};
  random.fill(a);
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::array<std::uint8_t, 33> b = a;
    EXPECT_TRUE(equal_constant_time(a, b));
    b[i] ^= 0x80;
    EXPECT_FALSE(equal_constant_time(a, b)) << i;
  }
  EXPECT_FALSE(equal_constant_time(a, std::span(a).first(32)));
  EXPECT_TRUE(equal_constant_time({}, {}));
}

TEST(PrivateKey, ClampingSetsTheBitsOfRfc7748) {
  auto key = secret_from_hex<PrivateKey>(std::string(64, 'f'));
  key.clamp();
  EXPECT_EQ(hex(key.bytes()), "f8" + std::string(60, 'f') + "7f");
  key = secret_from_hex<PrivateKey>(std::string(64, '0'));
  key.clamp();
  EXPECT_EQ(hex(key.bytes()), std::string(62, '0') + "40");
}

TEST(Identity, HasThePublicKeyOfItsClampedPrivateKey) {
  SeededRandom random(3);
  PrivateKey key;
  random.fill(key.mutable_bytes());
  PublicKey expected;
  crypto_scalarmult_base(expected.bytes.data(), key.data());
  PrivateKey clamped = key.clone();
  clamped.clamp();
  const Identity identity(std::move(key));
  EXPECT_TRUE(identity.has_private_key());
  EXPECT_EQ(identity.public_key(), expected);
  EXPECT_TRUE(equal_constant_time(identity.private_key().bytes(), clamped.bytes()));
}

TEST(Identity, AllZeroMeansNoKey) {
  const Identity identity{PrivateKey()};
  EXPECT_FALSE(identity.has_private_key());
  EXPECT_TRUE(identity.private_key().is_zero());
  EXPECT_TRUE(identity.public_key().is_zero());
}

TEST(PublicKeyHash, SpreadsKeysThatShareLeadingBytes) {
  std::unordered_set<std::size_t> hashes;
  PublicKey key = one_to_thirty_two();
  for (int i = 0; i < 256; ++i) {
    key.bytes[31] = static_cast<std::uint8_t>(i);
    hashes.insert(std::hash<PublicKey>{}(key));
  }
  EXPECT_EQ(hashes.size(), 256U);
}

}  // namespace
}  // namespace hawser::test
