#include "dataplane/handshake_gate.h"

#include <cstring>

#include "base/wire.h"

namespace hawser {
namespace {

CookieSource cookie_source(const Endpoint& from) {
  CookieSource source;
  const auto address = from.address.raw();
  std::memcpy(source.bytes.data(), address.data(), address.size());
  store_be16(source.bytes.data() + address.size(), from.port);
  source.len = static_cast<std::uint8_t>(address.size() + 2);
  return source;
}

std::uint64_t random_u64(RandomSource& random) {
  return (std::uint64_t{random.u32()} << 32) | random.u32();
}

}  // namespace

HandshakeGate::HandshakeGate(RandomSource& random)
    : random_(random), rate_limiter_(random_u64(random)) {}

HandshakeGate::Verdict HandshakeGate::judge(const QueuedHandshake& queued, std::size_t queue_len,
                                            Instant now) {
  if (queue_len >= kUnderLoadQueueLen) last_overload_ = now;
  const bool loaded = last_overload_ && now - *last_overload_ < kUnderLoadHold;
  under_load_.store(loaded, std::memory_order_relaxed);

  const MacVerdict macs =
      cookie_checker_.check(queued.message(), cookie_source(queued.from), loaded, now, random_);
  if (macs == MacVerdict::kInvalidMac1) return Verdict::kInvalidMac;
  if (!loaded) return Verdict::kAdmitted;
  if (macs == MacVerdict::kValidMac1) return Verdict::kCookieOwed;
  return rate_limiter_.allow(queued.from.address.raw(), now) ? Verdict::kAdmitted
                                                             : Verdict::kRateLimited;
}

void HandshakeGate::write_reply(CookieReplyMessage& reply, const QueuedHandshake& queued,
                                Instant now) {
  cookie_checker_.create_reply(reply, queued.message(), cookie_source(queued.from), now, random_);
}

void HandshakeGate::relax(Instant now) {
  if (last_overload_ && now - *last_overload_ >= kUnderLoadHold) under_load_ = false;
}

std::optional<Instant> HandshakeGate::relaxes_at() const {
  if (!under_load()) return std::nullopt;
  return *last_overload_ + kUnderLoadHold;
}

}  // namespace hawser
