#pragma once
#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace hawser {

enum class IpFamily : std::uint8_t { kV4 = 4, kV6 = 6 };

// IpAddress is an IPv4 or IPv6 address in network order; an IPv4 address uses the first 4 bytes,
// the rest are zero. IPv4-mapped IPv6 addresses are IPv6 addresses here.
struct IpAddress {
  IpFamily family = IpFamily::kV4;
  std::array<std::uint8_t, 16> bytes{};

  static IpAddress v4(std::span<const std::uint8_t, 4> raw);
  static IpAddress v6(std::span<const std::uint8_t, 16> raw);
  // Text as RFC 4291 §2.2 / dotted quad, no zone, no port. Nothing else is accepted ("127.1" is
  // not).
  static std::optional<IpAddress> parse(std::string_view text);

  std::size_t size() const { return family == IpFamily::kV4 ? 4 : 16; }
  unsigned bits() const { return family == IpFamily::kV4 ? 32 : 128; }
  std::span<const std::uint8_t> raw() const { return {bytes.data(), size()}; }
  bool is_unspecified() const;
  bool is_multicast() const;  // also IPv4's 255.255.255.255
  bool is_loopback() const;
  bool is_link_local() const;
  bool is_reserved() const;       // IPv4's 240.0.0.0/4 (RFC 1112 §4), with the broadcast address
  std::string to_string() const;  // RFC 5952

  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;
  // Asked for each packet: two words instead of a call.
  friend bool operator==(const IpAddress& a, const IpAddress& b) {
    std::array<std::uint64_t, 2> x;
    std::array<std::uint64_t, 2> y;
    std::memcpy(x.data(), a.bytes.data(), sizeof x);
    std::memcpy(y.data(), b.bytes.data(), sizeof y);
    return a.family == b.family && ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0;
  }
};

// Prefix is an address with its host bits zero, and a length. The constructor masks the host bits.
class Prefix {
 public:
  Prefix() = default;
  Prefix(const IpAddress& address, unsigned length);  // length ≤ address.bits()
  // "ADDR/LEN", or "ADDR" alone for a host prefix; host bits are masked.
  static std::optional<Prefix> parse(std::string_view text);

  const IpAddress& address() const { return address_; }
  unsigned length() const { return length_; }
  bool contains(const IpAddress& address) const;
  bool contains(const Prefix& other) const;
  std::string to_string() const;

  friend auto operator<=>(const Prefix&, const Prefix&) = default;

 private:
  IpAddress address_;
  std::uint8_t length_ = 0;
};

}  // namespace hawser

template <>
struct std::hash<hawser::IpAddress> {
  std::size_t operator()(const hawser::IpAddress& address) const noexcept;
};
