#include <openssl/aead.h>
#include <sodium.h>

#include <numeric>
#include <string>

#include "noise/boringssl_key.h"
#include "noise/crypto_init.h"
#include "noise/dh.h"
#include "noise/hash.h"
#include "noise/seal.h"
#include "support.h"

namespace hawser::test {
namespace {

using noise_internal::BoringSslKey;
using noise_internal::Bytes;

TEST(CryptoInit, SucceedsAndMayBeRepeated) {
  EXPECT_TRUE(init_crypto());
  EXPECT_TRUE(init_crypto());
}

TEST(Blake2s, AbcGivesTheDigestOfRfc7693AppendixB) {
  std::array<std::uint8_t, 32> digest{};
  noise_internal::blake2s_hash(digest, {text("abc")});
  EXPECT_EQ(hex(digest), "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982");
}

TEST(Blake2s, PartsAreHashedAsOneText) {
  std::array<std::uint8_t, 32> whole{};
  std::array<std::uint8_t, 32> parts{};
  noise_internal::blake2s_hash(whole, {text("abcdef")});
  noise_internal::blake2s_hash(parts, {text("ab"), {}, text("cde"), text("f")});
  EXPECT_EQ(whole, parts);
}

std::vector<std::uint8_t> rfc7693_sequence(std::size_t len) {
  std::uint32_t a = 0xDEAD4BADU * static_cast<std::uint32_t>(len);
  std::uint32_t b = 1;
  std::vector<std::uint8_t> out(len);
  for (std::uint8_t& byte : out) {
    const std::uint32_t t = a + b;
    a = b;
    b = t;
    byte = static_cast<std::uint8_t>(t >> 24);
  }
  return out;
}

// RFC 7693 appendix E: digests of four lengths, with and without keys, over six input lengths.
TEST(Blake2s, KeyedAndShortDigestsPassTheSelfTestOfRfc7693AppendixE) {
  std::vector<std::uint8_t> digests;
  for (const std::size_t out_len : {16U, 20U, 28U, 32U}) {
    for (const std::size_t in_len : {0U, 3U, 64U, 65U, 255U, 1024U}) {
      const std::vector<std::uint8_t> in = rfc7693_sequence(in_len);
      const std::vector<std::uint8_t> key = rfc7693_sequence(out_len);
      std::vector<std::uint8_t> digest(out_len);
      noise_internal::blake2s_hash(digest, {in});
      digests.insert(digests.end(), digest.begin(), digest.end());
      noise_internal::blake2s_keyed(digest, key, {in});
      digests.insert(digests.end(), digest.begin(), digest.end());
    }
  }
  std::array<std::uint8_t, 32> grand{};
  noise_internal::blake2s_hash(grand, {digests});
  EXPECT_EQ(hex(grand), "6a411f08ce25adcdfb02aba641451cec53c598b24f4fc787fbdc88797f4c1dfe");
}

// RFC 2104 spelled out; no vectors are published for BLAKE2s.
std::array<std::uint8_t, 32> hmac_by_definition(std::vector<std::uint8_t> key, Bytes message) {
  if (key.size() > 64) {
    std::array<std::uint8_t, 32> short_key{};
    noise_internal::blake2s_hash(short_key, {key});
    key.assign(short_key.begin(), short_key.end());
  }
  key.resize(64);
  std::vector<std::uint8_t> inner(key);
  std::vector<std::uint8_t> outer(key);
  for (std::size_t i = 0; i < 64; ++i) {
    inner[i] = static_cast<std::uint8_t>(inner[i] ^ 0x36);
    outer[i] = static_cast<std::uint8_t>(outer[i] ^ 0x5c);
  }
  inner.insert(inner.end(), message.begin(), message.end());
  std::array<std::uint8_t, 32> digest{};
  noise_internal::blake2s_hash(digest, {inner});
  outer.insert(outer.end(), digest.begin(), digest.end());
  noise_internal::blake2s_hash(digest, {outer});
  return digest;
}

TEST(HmacBlake2s, FollowsItsDefinitionForKeysOfEveryLength) {
  SeededRandom random(1);
  for (std::size_t key_len = 0; key_len <= 130; ++key_len) {
    std::vector<std::uint8_t> key(key_len);
    std::vector<std::uint8_t> message(key_len * 3 % 97);
    random.fill(key);
    random.fill(message);
    std::array<std::uint8_t, 32> digest{};
    noise_internal::hmac_blake2s(digest, key, {message});
    ASSERT_EQ(digest, hmac_by_definition(key, message)) << key_len;
  }
}

TEST(Kdf, OutputsChainAsInHkdf) {
  const auto chaining_key = secret_from_hex<Secret<32>>(std::string(62, '4') + "07");
  const std::vector<std::uint8_t> input = unhex("0102030405");
  const auto prk = hmac_by_definition({chaining_key.data(), chaining_key.data() + 32}, input);
  const std::vector<std::uint8_t> prk_key(prk.begin(), prk.end());
  const auto first = hmac_by_definition(prk_key, unhex("01"));
  const auto second = hmac_by_definition(prk_key, unhex(hex(first) + "02"));
  const auto third = hmac_by_definition(prk_key, unhex(hex(second) + "03"));

  Secret<32> one, two, three;
  noise_internal::kdf1(one, chaining_key, input);
  EXPECT_EQ(hex(one.bytes()), hex(first));
  noise_internal::kdf2(one, two, chaining_key, input);
  EXPECT_EQ(hex(one.bytes()) + hex(two.bytes()), hex(first) + hex(second));
  noise_internal::kdf3(one, two, three, chaining_key, input);
  EXPECT_EQ(hex(one.bytes()) + hex(two.bytes()) + hex(three.bytes()),
            hex(first) + hex(second) + hex(third));

  Secret<32> in_place = chaining_key.clone();
  noise_internal::kdf2(in_place, two, in_place, input);
  EXPECT_EQ(hex(in_place.bytes()) + hex(two.bytes()), hex(first) + hex(second));
}

std::string x25519(std::string_view scalar, std::string_view u) {
  Secret<32> out;
  EXPECT_TRUE(noise_internal::diffie_hellman(out, secret_from_hex<PrivateKey>(scalar),
                                             PublicKey{unhex_array<32>(u)}));
  return hex(out.bytes());
}

TEST(X25519, GivesTheResultsOfRfc7748Section52) {
  EXPECT_EQ(x25519("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
                   "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c"),
            "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552");
  EXPECT_EQ(x25519("4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
                   "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493"),
            "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957");
}

TEST(X25519, IteratedAThousandTimesGivesTheResultOfRfc7748) {
  std::string k = "0900000000000000000000000000000000000000000000000000000000000000";
  std::string u = k;
  for (int i = 0; i < 1000; ++i) {
    std::string next = x25519(k, u);
    u = std::exchange(k, std::move(next));
    if (i == 0) {
      EXPECT_EQ(k, "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079");
    }
  }
  EXPECT_EQ(k, "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51");
}

// Points of order 1, 2, 4 and 8 and their non-canonical forms (https://cr.yp.to/ecdh.html).
TEST(X25519, AllZeroResultsAreRefused) {
  const std::array<std::string, 7> small_order = {
      std::string(64, '0'),
      "01" + std::string(62, '0'),
      "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
      "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
      "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"};
  SeededRandom random(2);
  for (const std::string& point : small_order) {
    auto out = secret_from_hex<Secret<32>>(std::string(64, 'f'));
    EXPECT_FALSE(noise_internal::diffie_hellman(out, make_private(random),
                                                PublicKey{unhex_array<32>(point)}))
        << point;
    EXPECT_TRUE(out.is_zero());
  }
}

TEST(ChaCha20Poly1305, SealsTheExampleOfRfc8439Section282) {
  const auto key = secret_from_hex<Secret<32>>(
      "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f");
  const std::vector<std::uint8_t> nonce = unhex("070000004041424344454647");
  const std::vector<std::uint8_t> associated = unhex("50515253c0c1c2c3c4c5c6c7");
  const Bytes plaintext = text(
      "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, "
      "sunscreen would be it.");
  std::vector<std::uint8_t> out(plaintext.size() + 16);
  std::size_t out_len = 0;
  const BoringSslKey context(key.bytes());
  ASSERT_EQ(
      EVP_AEAD_CTX_seal(context.get(), out.data(), &out_len, out.size(), nonce.data(), nonce.size(),
                        plaintext.data(), plaintext.size(), associated.data(), associated.size()),
      1);
  EXPECT_EQ(hex(out),
            "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6"
            "3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36"
            "92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc"
            "3ff4def08e4b7a9de576d26586cec64b6116"
            "1ae10b594f09e26a7e902ecbd0600691");
}

TEST(SealOnce, AgreesWithLibsodiumAndOpensOnlyWhatIsWhole) {
  SeededRandom random(3);
  for (std::size_t len = 0; len < 80; ++len) {
    Secret<32> key;
    std::vector<std::uint8_t> plaintext(len);
    std::vector<std::uint8_t> associated(len % 40);
    random.fill(key.mutable_bytes());
    random.fill(plaintext);
    random.fill(associated);
    std::vector<std::uint8_t> expected(len + 16);
    std::vector<std::uint8_t> actual(len + 16);
    const std::array<std::uint8_t, 12> nonce{};
    crypto_aead_chacha20poly1305_ietf_encrypt(expected.data(), nullptr, plaintext.data(), len,
                                              associated.data(), associated.size(), nullptr,
                                              nonce.data(), key.data());
    noise_internal::seal_once(actual, key, plaintext, associated);
    ASSERT_EQ(actual, expected);

    std::vector<std::uint8_t> opened(len);
    EXPECT_TRUE(noise_internal::open_once(opened, key, actual, associated));
    EXPECT_EQ(opened, plaintext);
    actual[random.u64() % actual.size()] ^= 1;
    EXPECT_FALSE(noise_internal::open_once(opened, key, actual, associated));
  }
}

}  // namespace
}  // namespace hawser::test
