#include "routing/ip_address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cassert>
#include <cstdio>
#include <cstring>

#include "base/wire.h"

namespace hawser {
namespace {

constexpr unsigned kNumGroups = 8;  // of 16 bits in an IPv6 address

std::uint16_t group(const IpAddress& address, unsigned i) {
  return load_be16(address.bytes.data() + std::size_t{2} * i);
}

// The run of zero groups that "::" stands for: the longest, the first of equals, at least two
// (RFC 5952 §4.2).
struct ZeroRun {
  unsigned start = 0;
  unsigned len = 0;
};
ZeroRun longest_zero_run(const IpAddress& address) {
  ZeroRun best;
  for (unsigned i = 0; i < kNumGroups;) {
    unsigned end = i;
    while (end < kNumGroups && group(address, end) == 0) ++end;
    if (end - i > best.len) best = {i, end - i};
    i = end + 1;
  }
  return best.len >= 2 ? best : ZeroRun{};
}

bool is_v4_mapped(const IpAddress& address) {
  static constexpr std::uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return std::memcmp(address.bytes.data(), kMapped, sizeof kMapped) == 0;
}

std::string dotted_quad(const std::uint8_t* raw) {
  char text[INET_ADDRSTRLEN];
  std::snprintf(text, sizeof text, "%u.%u.%u.%u", raw[0], raw[1], raw[2], raw[3]);
  return text;
}

std::string v6_to_string(const IpAddress& address) {
  // RFC 5952 §5: the well-known prefix of IPv4-mapped addresses is printed in mixed notation.
  if (is_v4_mapped(address)) return "::ffff:" + dotted_quad(address.bytes.data() + 12);
  const ZeroRun zeros = longest_zero_run(address);
  std::string text;
  for (unsigned i = 0; i < kNumGroups; ++i) {
    if (zeros.len != 0 && i == zeros.start) {
      text += "::";
      i += zeros.len - 1;
      continue;
    }
    if (!text.empty() && text.back() != ':') text += ':';
    char digits[5];
    std::snprintf(digits, sizeof digits, "%x", unsigned{group(address, i)});
    text += digits;
  }
  return text;
}

// Bytes of two addresses agree in their first `length` bits.
bool same_leading_bits(const IpAddress& a, const IpAddress& b, unsigned length) {
  const unsigned whole = length / 8;
  if (std::memcmp(a.bytes.data(), b.bytes.data(), whole) != 0) return false;
  const unsigned rest = length % 8;
  return rest == 0 || ((a.bytes[whole] ^ b.bytes[whole]) >> (8 - rest)) == 0;
}

}  // namespace

IpAddress IpAddress::v4(std::span<const std::uint8_t, 4> raw) {
  IpAddress address;
  std::copy(raw.begin(), raw.end(), address.bytes.begin());
  return address;
}

IpAddress IpAddress::v6(std::span<const std::uint8_t, 16> raw) {
  IpAddress address;
  address.family = IpFamily::kV6;
  std::copy(raw.begin(), raw.end(), address.bytes.begin());
  return address;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  // inet_pton wants a terminated string; a terminator inside would hide what follows it.
  char terminated[INET6_ADDRSTRLEN];
  if (text.size() >= sizeof terminated || text.find('\0') != std::string_view::npos) return {};
  std::copy(text.begin(), text.end(), terminated);
  terminated[text.size()] = '\0';
  IpAddress address;
  const bool is_v6 = text.find(':') != std::string_view::npos;
  address.family = is_v6 ? IpFamily::kV6 : IpFamily::kV4;
  if (inet_pton(is_v6 ? AF_INET6 : AF_INET, terminated, address.bytes.data()) != 1) return {};
  return address;
}

bool IpAddress::is_unspecified() const { return bytes == std::array<std::uint8_t, 16>{}; }

bool IpAddress::is_multicast() const {
  if (family == IpFamily::kV6) return bytes[0] == 0xff;
  return (bytes[0] & 0xf0) == 0xe0 || load_be32(bytes.data()) == 0xffffffff;
}

bool IpAddress::is_loopback() const {
  if (family == IpFamily::kV4) return bytes[0] == 127;
  return load_be64(bytes.data()) == 0 && load_be64(bytes.data() + 8) == 1;
}

bool IpAddress::is_link_local() const {
  if (family == IpFamily::kV4) return bytes[0] == 169 && bytes[1] == 254;
  return bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80;
}

bool IpAddress::is_reserved() const { return family == IpFamily::kV4 && (bytes[0] & 0xf0) == 0xf0; }

std::string IpAddress::to_string() const {
  return family == IpFamily::kV4 ? dotted_quad(bytes.data()) : v6_to_string(*this);
}

Prefix::Prefix(const IpAddress& address, unsigned length)
    : address_(address), length_(static_cast<std::uint8_t>(length)) {
  assert(length <= address.bits());
  for (unsigned i = length / 8; i < address_.size(); ++i) {
    const unsigned kept_bits = i == length / 8 ? length % 8 : 0;
    address_.bytes[i] &= static_cast<std::uint8_t>(0xff00U >> kept_bits);
  }
}

std::optional<Prefix> Prefix::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  const std::optional<IpAddress> address = IpAddress::parse(text.substr(0, slash));
  if (!address) return {};
  if (slash == std::string_view::npos) return Prefix(*address, address->bits());
  const std::string_view digits = text.substr(slash + 1);
  if (digits.empty() || digits.size() > 3 || (digits.size() > 1 && digits[0] == '0')) return {};
  unsigned length = 0;
  for (const char digit : digits) {
    if (digit < '0' || digit > '9') return {};
    length = length * 10 + static_cast<unsigned>(digit - '0');
  }
  if (length > address->bits()) return {};
  return Prefix(*address, length);
}

bool Prefix::contains(const IpAddress& address) const {
  return address.family == address_.family && same_leading_bits(address, address_, length_);
}

bool Prefix::contains(const Prefix& other) const {
  return other.length_ >= length_ && contains(other.address_);
}

std::string Prefix::to_string() const {
  return address_.to_string() + '/' + std::to_string(length_);
}

}  // namespace hawser

std::size_t std::hash<hawser::IpAddress>::operator()(
    const hawser::IpAddress& address) const noexcept {
  // Multiply and fold twice: every input bit reaches every output bit.
  constexpr std::uint64_t kOdd1 = 0x9e3779b97f4a7c15;
  constexpr std::uint64_t kOdd2 = 0xd6e8feb86659fd93;
  std::uint64_t mixed = hawser::load_be64(address.bytes.data()) * kOdd1;
  mixed ^= mixed >> 32;
  mixed += hawser::load_be64(address.bytes.data() + 8) + static_cast<std::uint64_t>(address.family);
  mixed *= kOdd2;
  mixed ^= mixed >> 32;
  mixed *= kOdd1;
  return static_cast<std::size_t>(mixed ^ mixed >> 29);
}
