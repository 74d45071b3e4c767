#pragma once
#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/secret.h"
#include "noise/constants.h"

namespace hawser {

// A Curve25519 public key (RFC 7748), also a peer's name. Base64 is what people see.
struct PublicKey {
  std::array<std::uint8_t, kKeyLen> bytes{};

  bool is_zero() const { return bytes == std::array<std::uint8_t, kKeyLen>{}; }
  std::string to_base64() const;
  // "abcd…wxyz": the first and last characters of the base64 form, for logs.
  std::string to_short_string() const;
  static std::optional<PublicKey> from_base64(std::string_view text);

  friend auto operator<=>(const PublicKey&, const PublicKey&) = default;
};

// Distinct types, so that one kind of secret cannot be handed over as another.
struct PrivateKey : Secret<kKeyLen> {
  using Secret::Secret;
  PrivateKey clone() const { return PrivateKey(bytes()); }
  void clamp();  // RFC 7748 §5
  PublicKey derive_public() const;
};
struct PresharedKey : Secret<kKeyLen> {  // all zero: none
  using Secret::Secret;
  PresharedKey clone() const { return PresharedKey(bytes()); }
};
struct TransportKey : Secret<kKeyLen> {
  using Secret::Secret;
};

// Strict base64 of exactly 32 bytes (44 characters, canonical), in constant time.
[[nodiscard]] bool key_from_base64(std::span<std::uint8_t, kKeyLen> out, std::string_view text);
std::string key_to_base64(std::span<const std::uint8_t, kKeyLen> key);

bool equal_constant_time(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b);

}  // namespace hawser

template <>
struct std::hash<hawser::PublicKey> {
  std::size_t operator()(const hawser::PublicKey& key) const noexcept;
};
