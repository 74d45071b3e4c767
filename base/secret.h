#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace hawser {

// wipe overwrites memory in a way that the compiler may not leave out.
inline void wipe(std::span<std::uint8_t> bytes) {
  std::memset(bytes.data(), 0, bytes.size());
  __asm__ __volatile__("" : : "r"(bytes.data()) : "memory");
}

// Secret<N> holds N bytes that wipe themselves. It can be moved (the source is wiped) but not
// copied, compared with == or printed; whoever needs a second one says clone().
template <std::size_t N>
class Secret {
 public:
  static constexpr std::size_t kSize = N;

  Secret() = default;
  explicit Secret(std::span<const std::uint8_t, N> bytes) {
    std::memcpy(bytes_.data(), bytes.data(), N);
  }
  ~Secret() { clear(); }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  Secret(Secret&& other) noexcept : bytes_(other.bytes_) { other.clear(); }
  Secret& operator=(Secret&& other) noexcept {
    if (this != &other) {
      bytes_ = other.bytes_;
      other.clear();
    }
    return *this;
  }
  bool operator==(const Secret&) const = delete;

  Secret clone() const { return Secret(std::span<const std::uint8_t, N>(bytes_)); }
  void clear() { wipe(bytes_); }

  // Constant time in the contents.
  bool is_zero() const {
    std::uint8_t any = 0;
    for (const std::uint8_t byte : bytes_) any = static_cast<std::uint8_t>(any | byte);
    return any == 0;
  }

  std::span<const std::uint8_t, N> bytes() const { return bytes_; }
  std::span<std::uint8_t, N> mutable_bytes() { return bytes_; }
  const std::uint8_t* data() const { return bytes_.data(); }
  std::uint8_t* data() { return bytes_.data(); }

 private:
  std::array<std::uint8_t, N> bytes_{};
};

}  // namespace hawser
