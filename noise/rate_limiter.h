#pragma once
#include <cstdint>
#include <memory>
#include <span>

#include "base/time.h"

namespace hawser {

// RateLimiter is the token bucket for handshake messages under load: 20/s, burst 5, per IPv4
// address or IPv6 /64, in a table of bounded size that allocates nothing after construction.
// Buckets are hashed with a secret key, so that a stranger cannot aim at one. One thread at a time.
class RateLimiter {
 public:
  static constexpr std::uint32_t kPacketsPerSecond = 20;
  static constexpr std::uint32_t kPacketsBurst = 5;

  explicit RateLimiter(std::uint64_t hash_key);
  ~RateLimiter();
  RateLimiter(const RateLimiter&) = delete;
  RateLimiter& operator=(const RateLimiter&) = delete;

  // `address`: 4 or 16 bytes, network order. True: let it through (a token was taken).
  bool allow(std::span<const std::uint8_t> address, Instant now);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace hawser
