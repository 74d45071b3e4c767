#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/time.h"

namespace hawser {

// LogLimiter bounds how much is logged, so that nobody outside can fill a disk: a token bucket for
// each kind of message. Two messages are of one kind when their plain words agree; numbers, keys,
// addresses and names differ within a kind. One thread at a time.
class LogLimiter {
 public:
  // Enough for whoever watches; the rest says nothing new.
  static constexpr std::uint32_t kBurst = 20;
  static constexpr Duration kInterval = std::chrono::seconds(5);  // one more each

  // nullopt: say nothing. Else how many of this kind were left out since the last one.
  std::optional<std::uint64_t> admit(std::string_view message, Instant now);

 private:
  // Kinds share a bucket where their hashes meet: the table does not grow, whatever is logged.
  static constexpr std::size_t kNumBuckets = 256;
  struct Bucket {
    std::uint32_t spent = 0;
    std::uint64_t left_out = 0;
    Instant refilled;
  };
  std::array<Bucket, kNumBuckets> buckets_{};
};

}  // namespace hawser
