#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace hawser::testing {

// FuzzInput takes a fuzzer's bytes from the front, as numbers and byte strings. What is not there
// is zero or empty, so that every input means something.
class FuzzInput {
 public:
  FuzzInput(const std::uint8_t* data, std::size_t size) : left_(data, size) {}

  bool empty() const { return left_.empty(); }
  std::uint8_t u8() {
    if (left_.empty()) return 0;
    const std::uint8_t value = left_.front();
    left_ = left_.subspan(1);
    return value;
  }
  std::uint16_t u16() {
    const std::uint8_t low = u8();
    return static_cast<std::uint16_t>(low | (u8() << 8));
  }
  std::vector<std::uint8_t> bytes(std::size_t len) {
    len = std::min(len, left_.size());
    std::vector<std::uint8_t> taken(left_.begin(),
                                    left_.begin() + static_cast<std::ptrdiff_t>(len));
    left_ = left_.subspan(len);
    return taken;
  }
  std::vector<std::uint8_t> rest() { return bytes(left_.size()); }

 private:
  std::span<const std::uint8_t> left_;
};

}  // namespace hawser::testing
