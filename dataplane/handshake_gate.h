#pragma once
// Which handshake messages are worth a key exchange. Internal to dataplane/.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/random_source.h"
#include "base/time.h"
#include "dataplane/handshake_queue.h"
#include "noise/cookie.h"
#include "noise/rate_limiter.h"

namespace hawser {

// HandshakeGate looks at the macs of initiations and responses (paper §5.3, §5.4.7). Without load a
// right mac1 is enough. Under load a sender has to prove its address with a cookie (mac2), and each
// address has its rate. Under the device's lock but for under_load().
class HandshakeGate {
 public:
  enum class Verdict : std::uint8_t {
    kAdmitted,
    kInvalidMac,
    kRateLimited,
    kCookieOwed,  // refused like kRateLimited, and answered with a cookie
  };

  explicit HandshakeGate(RandomSource& random);
  void set_public_key(const PublicKey& own) { cookie_checker_.set_public_key(own); }

  // `queue_len`: how many waited, this one among them; many mean load.
  Verdict judge(const QueuedHandshake& queued, std::size_t queue_len, Instant now);
  void write_reply(CookieReplyMessage& reply, const QueuedHandshake& queued, Instant now);

  // Load ends by time, also where no message comes to be judged.
  void relax(Instant now);
  std::optional<Instant> relaxes_at() const;
  bool under_load() const { return under_load_.load(std::memory_order_relaxed); }  // any thread

 private:
  RandomSource& random_;
  CookieChecker cookie_checker_;
  RateLimiter rate_limiter_;
  std::optional<Instant> last_overload_;
  std::atomic<bool> under_load_{false};
};

}  // namespace hawser
