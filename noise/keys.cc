#include "noise/keys.h"

#include <openssl/curve25519.h>
#include <sodium.h>

#include <cstring>

namespace hawser {
namespace {

constexpr std::size_t kBase64Len = 44;  // of 32 bytes, with one '=' at the end
static_assert(kBase64Len + 1 == sodium_base64_ENCODED_LEN(32, sodium_base64_VARIANT_ORIGINAL));

}  // namespace

bool key_from_base64(std::span<std::uint8_t, kKeyLen> out, std::string_view text) {
  if (text.size() != kBase64Len) return false;
  // libsodium's decoder takes bytes above 127 for letters where char is signed.
  unsigned all_bits = 0;
  for (const char c : text) all_bits |= static_cast<unsigned char>(c);
  std::size_t decoded_len = 0;
  // Refuses other characters, missing padding, and bits set beyond the last byte.
  const int failed = sodium_base642bin(out.data(), out.size(), text.data(), text.size(), nullptr,
                                       &decoded_len, nullptr, sodium_base64_VARIANT_ORIGINAL);
  return failed == 0 && decoded_len == out.size() && all_bits < 0x80;
}

std::string key_to_base64(std::span<const std::uint8_t, kKeyLen> key) {
  std::string text(kBase64Len + 1, '\0');  // the encoder writes a terminator
  sodium_bin2base64(text.data(), text.size(), key.data(), key.size(),
                    sodium_base64_VARIANT_ORIGINAL);
  text.resize(kBase64Len);
  return text;
}

bool equal_constant_time(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b) {
  if (a.size() != b.size()) return false;
  // Tags and MACs, once a packet: made for this length, and several times faster.
  if (a.size() == crypto_verify_16_BYTES) return crypto_verify_16(a.data(), b.data()) == 0;
  return a.empty() || sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string PublicKey::to_base64() const { return key_to_base64(bytes); }

std::string PublicKey::to_short_string() const {
  constexpr std::size_t kShown = 4;
  const std::string full = to_base64();
  // The last character is always '=' and says nothing.
  return full.substr(0, kShown) + "…" + full.substr(kBase64Len - 1 - kShown, kShown);
}

std::optional<PublicKey> PublicKey::from_base64(std::string_view text) {
  PublicKey key;
  if (!key_from_base64(key.bytes, text)) return std::nullopt;
  return key;
}

void PrivateKey::clamp() {
  const std::span<std::uint8_t, kKeyLen> key = mutable_bytes();
  key[0] = static_cast<std::uint8_t>(key[0] & 248);
  key[31] = static_cast<std::uint8_t>((key[31] & 127) | 64);
}

PublicKey PrivateKey::derive_public() const {
  PublicKey derived;
  X25519_public_from_private(derived.bytes.data(), data());
  return derived;
}

}  // namespace hawser

std::size_t std::hash<hawser::PublicKey>::operator()(const hawser::PublicKey& key) const noexcept {
  std::array<std::uint64_t, 4> words{};
  static_assert(sizeof words == sizeof key.bytes);
  std::memcpy(words.data(), key.bytes.data(), sizeof words);
  // Vanity keys share leading bytes, so that all words count. Only configured keys get into tables.
  std::uint64_t mixed = 0;
  for (const std::uint64_t word : words) mixed = (mixed ^ word) * 0x9e3779b97f4a7c15U;
  return static_cast<std::size_t>(mixed ^ (mixed >> 32));
}
