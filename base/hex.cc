#include "base/hex.h"

#include <cstddef>

namespace hawser {
namespace {

// Branch-free, because private keys come through here: 0 … 15, or -1.
int nibble(char c) {
  const int value = static_cast<unsigned char>(c);
  const int digit = value - '0';
  const int letter = (value | 0x20) - 'a';
  const int is_digit = static_cast<int>(static_cast<unsigned>(digit) < 10U);
  const int is_letter = static_cast<int>(static_cast<unsigned>(letter) < 6U);
  return is_digit * (digit + 1) + is_letter * (letter + 11) - 1;
}

}  // namespace

std::string to_hex(std::span<const std::uint8_t> bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const std::uint8_t byte : bytes) {
    text.push_back(kDigits[byte >> 4]);
    text.push_back(kDigits[byte & 15]);
  }
  return text;
}

bool from_hex(std::span<std::uint8_t> out, std::string_view text) {
  if (text.size() != out.size() * 2) return false;
  int bad = 0;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const int high = nibble(text[2 * i]);
    const int low = nibble(text[2 * i + 1]);
    bad |= static_cast<int>(high < 0) | static_cast<int>(low < 0);
    out[i] = static_cast<std::uint8_t>((high & 15) << 4 | (low & 15));
  }
  return bad == 0;
}

}  // namespace hawser
