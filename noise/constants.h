#pragma once
// Constants of the protocol, with the names of the WireGuard paper (§5.1, §6.1–6.5) and of the
// reference implementation. Our own limits live in dataplane/limits.h.
#include <cstddef>
#include <cstdint>

#include "base/time.h"

namespace hawser {

inline constexpr std::size_t kKeyLen = 32;
inline constexpr std::size_t kHashLen = 32;
inline constexpr std::size_t kAeadTagLen = 16;
inline constexpr std::size_t kTai64nLen = 12;
inline constexpr std::size_t kMacLen = 16;
inline constexpr std::size_t kCookieLen = 16;
inline constexpr std::size_t kCookieNonceLen = 24;

inline constexpr std::uint64_t kRekeyAfterMessages = std::uint64_t{1} << 60;
inline constexpr std::uint64_t kReplayBits = 8192;
inline constexpr std::uint64_t kReplayWindow = kReplayBits - 64;  // 8,128 usable (RFC 6479)
inline constexpr std::uint64_t kRejectAfterMessages = ~std::uint64_t{0} - kReplayWindow;

inline constexpr Duration kRekeyAfterTime = std::chrono::seconds(120);
inline constexpr Duration kRejectAfterTime = std::chrono::seconds(180);
inline constexpr Duration kRekeyAttemptTime = std::chrono::seconds(90);
inline constexpr Duration kRekeyTimeout = std::chrono::seconds(5);
inline constexpr Duration kKeepaliveTimeout = std::chrono::seconds(10);
inline constexpr Duration kCookieRefreshTime = std::chrono::seconds(120);
inline constexpr Duration kCookieLatency = std::chrono::seconds(5);
inline constexpr Duration kMaxTimerJitter = std::chrono::milliseconds(333);
inline constexpr Duration kInitiationInterval = std::chrono::milliseconds(20);
// Initiator's rekey on receive: 180 - 10 - 5.
inline constexpr Duration kRekeyOnReceiveTime =
    kRejectAfterTime - kKeepaliveTimeout - kRekeyTimeout;
inline constexpr Duration kZeroKeyMaterialTime = kRejectAfterTime * 3;                // 540 s
inline constexpr unsigned kMaxHandshakeAttempts = kRekeyAttemptTime / kRekeyTimeout;  // 18

static_assert(kMaxHandshakeAttempts == 18);
static_assert(kRekeyOnReceiveTime == std::chrono::seconds(165));

inline constexpr std::size_t kMaxPeers = std::size_t{1} << 20;
inline constexpr std::size_t kPaddingMultiple = 16;
inline constexpr std::uint32_t kDefaultMtu = 1420;
inline constexpr std::uint8_t kHandshakeDscp = 0x88;  // AF41, ECN 0

}  // namespace hawser
