#pragma once
// Integers on the wire. WireGuard's own fields are little endian, everything of IP is big endian.
#include <bit>
#include <cstdint>
#include <cstring>

namespace hawser {

static_assert(std::endian::native == std::endian::little ||
              std::endian::native == std::endian::big);

namespace wire_detail {
template <class T>
constexpr T swap_bytes(T value) {
  if constexpr (sizeof(T) == 2) return static_cast<T>(__builtin_bswap16(value));
  if constexpr (sizeof(T) == 4) return static_cast<T>(__builtin_bswap32(value));
  if constexpr (sizeof(T) == 8) return static_cast<T>(__builtin_bswap64(value));
}
template <class T, std::endian order>
T load(const void* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return order == std::endian::native ? value : swap_bytes(value);
}
template <class T, std::endian order>
void store(void* to, T value) {
  const T wire = order == std::endian::native ? value : swap_bytes(value);
  std::memcpy(to, &wire, sizeof wire);
}
}  // namespace wire_detail

// None of these needs alignment.
inline std::uint16_t load_le16(const void* p) {
  return wire_detail::load<std::uint16_t, std::endian::little>(p);
}
inline std::uint32_t load_le32(const void* p) {
  return wire_detail::load<std::uint32_t, std::endian::little>(p);
}
inline std::uint64_t load_le64(const void* p) {
  return wire_detail::load<std::uint64_t, std::endian::little>(p);
}
inline std::uint16_t load_be16(const void* p) {
  return wire_detail::load<std::uint16_t, std::endian::big>(p);
}
inline std::uint32_t load_be32(const void* p) {
  return wire_detail::load<std::uint32_t, std::endian::big>(p);
}
inline std::uint64_t load_be64(const void* p) {
  return wire_detail::load<std::uint64_t, std::endian::big>(p);
}
inline void store_le16(void* p, std::uint16_t v) {
  wire_detail::store<std::uint16_t, std::endian::little>(p, v);
}
inline void store_le32(void* p, std::uint32_t v) {
  wire_detail::store<std::uint32_t, std::endian::little>(p, v);
}
inline void store_le64(void* p, std::uint64_t v) {
  wire_detail::store<std::uint64_t, std::endian::little>(p, v);
}
inline void store_be16(void* p, std::uint16_t v) {
  wire_detail::store<std::uint16_t, std::endian::big>(p, v);
}
inline void store_be32(void* p, std::uint32_t v) {
  wire_detail::store<std::uint32_t, std::endian::big>(p, v);
}
inline void store_be64(void* p, std::uint64_t v) {
  wire_detail::store<std::uint64_t, std::endian::big>(p, v);
}

}  // namespace hawser
