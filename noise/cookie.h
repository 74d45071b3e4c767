#pragma once
// mac1, mac2 and cookies (WireGuard paper §5.3, §5.4.4, §5.4.7).
#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "base/random_source.h"
#include "base/time.h"
#include "noise/keys.h"
#include "noise/messages.h"

namespace hawser {

// Where a handshake message came from, as the cookie binds it: the 4 or 16 address bytes followed
// by the 2 port bytes, network order.
struct CookieSource {
  std::array<std::uint8_t, 18> bytes{};
  std::uint8_t len = 0;
  std::span<const std::uint8_t> span() const { return {bytes.data(), len}; }
};

enum class MacVerdict : std::uint8_t { kInvalidMac1, kValidMac1, kValidMac2 };

// CookieChecker is the receiving side, one for a device. One thread at a time.
class CookieChecker {
 public:
  void set_public_key(const PublicKey& own);  // derives the mac1 and cookie keys

  // `message` is a whole initiation or response. mac1 is compared in constant time, first; mac2 is
  // looked at only when `check_mac2`. The cookie secret is made anew after 120 s.
  MacVerdict check(std::span<const std::uint8_t> message, const CookieSource& source,
                   bool check_mac2, Instant now, RandomSource& random);

  // Answers a message with valid mac1 while under load.
  void create_reply(CookieReplyMessage& out, std::span<const std::uint8_t> message,
                    const CookieSource& source, Instant now, RandomSource& random);

 private:
  std::array<std::uint8_t, kCookieLen> make_cookie(const CookieSource& source, Instant now,
                                                   RandomSource& random);

  bool has_key_ = false;  // without a public key of our own, no message is meant for us
  std::array<std::uint8_t, kHashLen> mac1_key_{};
  std::array<std::uint8_t, kHashLen> cookie_key_{};
  Secret<kHashLen> secret_;
  std::optional<Instant> secret_made_;
};

// CookieMaker is the sending side, one for a peer. One thread at a time.
class CookieMaker {
 public:
  explicit CookieMaker(const PublicKey& remote_static);

  // Writes mac1 and mac2 (zero without a cookie of < 115 s) at the end of an initiation or
  // response, and remembers mac1.
  void add_macs(std::span<std::uint8_t> message, Instant now);

  // Takes one cookie reply for each mac1 sent. False: not ours, does not open, or none is expected.
  bool consume_reply(const CookieReplyMessage& reply, Instant now);

  void clear();  // forgets the cookie

 private:
  std::array<std::uint8_t, kHashLen> mac1_key_{};
  std::array<std::uint8_t, kHashLen> cookie_key_{};
  std::array<std::uint8_t, kMacLen> last_mac1_{};
  bool reply_expected_ = false;
  std::array<std::uint8_t, kCookieLen> cookie_{};
  std::optional<Instant> cookie_received_;
};

}  // namespace hawser
