#include "ctl/log_limiter.h"

#include <algorithm>

namespace hawser {

namespace {

// FNV-1a over the plain words: lower-case letters alone, with what punctuation ends a word taken
// off. Whatever else a word has in it (a digit, an upper-case letter, a quote) names a thing.
std::uint64_t hash_of_kind(std::string_view message) {
  constexpr std::uint64_t kOffset = 0xcbf29ce484222325;
  constexpr std::uint64_t kPrime = 0x100000001b3;
  std::uint64_t hash = kOffset;
  while (!message.empty()) {
    const std::size_t space = std::min(message.find(' '), message.size());
    std::string_view word = message.substr(0, space);
    message.remove_prefix(std::min(space + 1, message.size()));
    while (!word.empty() && std::string_view(".,:;").find(word.back()) != std::string_view::npos) {
      word.remove_suffix(1);
    }
    if (!std::all_of(word.begin(), word.end(), [](char c) { return c >= 'a' && c <= 'z'; })) {
      continue;
    }
    for (const char c : word) hash = (hash ^ static_cast<std::uint8_t>(c)) * kPrime;
    hash = (hash ^ std::uint8_t{' '}) * kPrime;
  }
  return hash;
}

}  // namespace

std::optional<std::uint64_t> LogLimiter::admit(std::string_view message, Instant now) {
  Bucket& bucket = buckets_[hash_of_kind(message) % kNumBuckets];
  if (bucket.spent == 0) bucket.refilled = now;
  const auto intervals = (now - bucket.refilled) / kInterval;
  if (intervals > 0) {
    bucket.refilled += intervals * kInterval;
    bucket.spent -= static_cast<std::uint32_t>(
        std::min<std::int64_t>(intervals, static_cast<std::int64_t>(bucket.spent)));
  }
  if (bucket.spent >= kBurst) {
    ++bucket.left_out;
    return std::nullopt;
  }
  ++bucket.spent;
  const std::uint64_t left_out = bucket.left_out;
  bucket.left_out = 0;
  return left_out;
}

}  // namespace hawser
