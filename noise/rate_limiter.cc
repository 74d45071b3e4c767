#include "noise/rate_limiter.h"

#include <openssl/siphash.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <vector>

namespace hawser {
namespace {

// 2,048 sets of 8: sixteen thousand sources at once in 256 KiB. Sources beyond that push out the
// bucket nearest to full of their set, i.e. the one whose loss forgives least.
constexpr std::size_t kSets = 2048;
constexpr std::size_t kWays = 8;
static_assert((kSets & (kSets - 1)) == 0);

constexpr Duration kTokenInterval =
    Duration(std::chrono::seconds(1)) / RateLimiter::kPacketsPerSecond;
constexpr Duration kBurstAllowance = kTokenInterval * (RateLimiter::kPacketsBurst - 1);

constexpr std::size_t kIpv4Len = 4;
constexpr std::size_t kIpv6Len = 16;
constexpr std::size_t kIpv6PrefixLen = 8;  // a /64 is one source: whoever has one address has all

// A token bucket as one instant (the "virtual scheduling" form of GCRA, ITU-T I.371): the bucket is
// full from `full_at` on, and each token taken moves that by one interval. A bucket that is full
// says the same as none at all.
struct Bucket {
  std::uint64_t source = 0;  // keyed hash
  Instant full_at = Instant::min();
};

}  // namespace

struct RateLimiter::Impl {
  std::array<std::uint64_t, 2> hash_key{};
  std::vector<std::array<Bucket, kWays>> sets{kSets};

  std::uint64_t hash_source(std::span<const std::uint8_t> address) const {
    const bool is_v4 = address.size() == kIpv4Len;
    const std::size_t prefix_len = is_v4 ? kIpv4Len : kIpv6PrefixLen;
    return SIPHASH_24(hash_key.data(), address.data(), prefix_len);
  }
};

RateLimiter::RateLimiter(std::uint64_t hash_key) : impl_(std::make_unique<Impl>()) {
  impl_->hash_key = {hash_key, ~hash_key};
}

RateLimiter::~RateLimiter() = default;

bool RateLimiter::allow(std::span<const std::uint8_t> address, Instant now) {
  assert(address.size() == kIpv4Len || address.size() == kIpv6Len);
  // The hash covers the length, so that no IPv4 address shares a bucket with a /64.
  const std::uint64_t source = impl_->hash_source(address);
  std::array<Bucket, kWays>& set = impl_->sets[source & (kSets - 1)];

  auto found = std::find_if(set.begin(), set.end(),
                            [source](const Bucket& bucket) { return bucket.source == source; });
  if (found == set.end()) {
    found = std::min_element(set.begin(), set.end(), [](const Bucket& a, const Bucket& b) {
      return a.full_at < b.full_at;
    });
    *found = Bucket{source, now};
  }
  const Instant full_at = std::max(found->full_at, now);
  if (full_at - now > kBurstAllowance) return false;
  found->full_at = full_at + kTokenInterval;
  return true;
}

}  // namespace hawser
