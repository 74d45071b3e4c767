#include "network/key_fault.h"

#include <openssl/curve25519.h>

#include <algorithm>
#include <array>

#include "network/name_rules.h"

namespace hawser {
namespace {

constexpr std::size_t kKeyTextLen = 44;  // 32 bytes in base64

// What people and templates write where a key is to come.
constexpr std::array<std::string_view, 14> kPlaceholderWords = {
    "key",  "replace", "change",  "todo", "fixme", "your", "paste",
    "here", "insert",  "example", "xxx",  "...",   "<",    "\xe2\x80\xa6"};

bool looks_like_placeholder(std::string_view text) {
  const std::string lowered = lower_case(text);
  return std::any_of(
      kPlaceholderWords.begin(), kPlaceholderWords.end(),
      [&](std::string_view word) { return lowered.find(word) != std::string::npos; });
}

// One byte over and over is what a template holds, or a test that ran away.
bool is_one_byte_repeated(const PublicKey& key) {
  return std::all_of(key.bytes.begin(), key.bytes.end(),
                     [&](std::uint8_t byte) { return byte == key.bytes[0]; });
}

bool is_small_order(const PublicKey& key) {
  // The product with any scalar is zero, whichever scalar it is: X25519 clamps it to a multiple
  // of the cofactor.
  const std::array<std::uint8_t, kKeyLen> scalar = {1};
  std::array<std::uint8_t, kKeyLen> product{};
  return X25519(product.data(), scalar.data(), key.bytes.data()) != 1;
}

}  // namespace

std::string parse_public_key(PublicKey& out, std::string_view text) {
  if (text.empty()) return "is empty";
  const std::optional<PublicKey> key = PublicKey::from_base64(text);
  if (!key) {
    if (looks_like_placeholder(text)) return "is a placeholder and not a key";
    if (text.size() != kKeyTextLen) {
      return "is not a key: a key has " + std::to_string(kKeyTextLen) +
             " characters of base64, this has " + std::to_string(text.size());
    }
    return "is not a key: its base64 is malformed";
  }
  if (key->is_zero()) return "is all zero, a placeholder and not a key";
  if (is_one_byte_repeated(*key)) return "repeats one byte, a placeholder and not a key";
  if (is_small_order(*key)) return "is a point of small order, with which no handshake succeeds";
  out = *key;
  return {};
}

}  // namespace hawser
