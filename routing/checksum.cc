#include "routing/checksum.h"

#include <bit>
#include <cstring>

#include "base/wire.h"

namespace hawser {
namespace {

std::uint64_t load_native64(const std::uint8_t* p) {
  std::uint64_t word;
  std::memcpy(&word, p, sizeof word);
  return word;
}

// One's complement addition: what is carried out comes in again.
std::uint64_t add_with_carry(std::uint64_t a, std::uint64_t b) {
  const std::uint64_t sum = a + b;
  return sum + static_cast<std::uint64_t>(sum < b);
}

// Two 64-bit lanes, each of which sums 32-bit words and so cannot overflow below 2^32 words.
using Lanes [[gnu::vector_size(16)]] = std::uint64_t;
constexpr std::size_t kBlockLen = 4 * sizeof(Lanes);

Lanes load_lanes(const std::uint8_t* p) {
  Lanes lanes;
  std::memcpy(&lanes, p, sizeof lanes);
  return lanes;
}

// Written out, not looped over an array: the sums stay in registers.
std::uint64_t sum_blocks(const std::uint8_t* p, const std::uint8_t* end) {
  const Lanes mask = {0xffffffff, 0xffffffff};
  Lanes low_a = {};
  Lanes low_b = {};
  Lanes high_a = {};
  Lanes high_b = {};
  for (; p != end; p += kBlockLen) {
    const Lanes a = load_lanes(p);
    const Lanes b = load_lanes(p + sizeof(Lanes));
    const Lanes c = load_lanes(p + 2 * sizeof(Lanes));
    const Lanes d = load_lanes(p + 3 * sizeof(Lanes));
    low_a += (a & mask) + (b & mask);
    high_a += (a >> 32) + (b >> 32);
    low_b += (c & mask) + (d & mask);
    high_b += (c >> 32) + (d >> 32);
  }
  const Lanes all = (low_a + low_b) + (high_a + high_b);
  return all[0] + all[1];
}

// The last 0 … 7 bytes as one word, zeros behind them.
std::uint64_t load_tail(const std::uint8_t* p, std::size_t len) {
  std::uint64_t word = 0;
  std::memcpy(&word, p, len);
  return word;
}

}  // namespace

std::uint64_t checksum_add(std::uint64_t sum, std::span<const std::uint8_t> bytes) {
  const std::uint8_t* p = bytes.data();
  std::size_t left = bytes.size();
  if (left == 0) return sum;
  // Words are added in the machine's byte order, many at a time (RFC 1071 §2 (B), (C)): the sum of
  // 16-bit words comes out byte-swapped on a little-endian machine, and is swapped once, below.
  std::uint64_t native = 0;
  if (left >= kBlockLen) {
    const std::size_t whole = left / kBlockLen * kBlockLen;
    native = sum_blocks(p, p + whole);
    p += whole;
    left -= whole;
  }
  for (; left >= 8; left -= 8, p += 8) native = add_with_carry(native, load_native64(p));
  native = add_with_carry(native, load_tail(p, left));
  const std::uint16_t folded = checksum_fold(native);
  const bool little = std::endian::native == std::endian::little;
  return sum + (little ? wire_detail::swap_bytes(folded) : folded);
}

std::uint16_t checksum_fold(std::uint64_t sum) {
  sum = (sum >> 32) + (sum & 0xffffffff);
  sum = (sum >> 32) + (sum & 0xffffffff);
  sum = (sum >> 16) + (sum & 0xffff);
  sum = (sum >> 16) + (sum & 0xffff);
  return static_cast<std::uint16_t>(sum);
}

std::uint16_t checksum_adjust(std::uint16_t checksum, std::uint16_t old_word,
                              std::uint16_t new_word) {
  const std::uint32_t complement_of_checksum = checksum ^ 0xffffU;
  const std::uint32_t complement_of_old = old_word ^ 0xffffU;
  return checksum_finish(complement_of_checksum + complement_of_old + new_word);
}

std::uint64_t pseudo_header_sum(const IpAddress& source, const IpAddress& destination,
                                std::uint8_t protocol, std::uint32_t payload_len) {
  std::uint64_t sum = std::uint64_t{protocol} + payload_len;
  const std::size_t num_words = source.size() / 4;
  for (std::size_t i = 0; i < num_words; ++i) {
    sum += load_be32(source.bytes.data() + 4 * i);
    sum += load_be32(destination.bytes.data() + 4 * i);
  }
  return sum;
}

}  // namespace hawser
