#include "noise/cookie.h"

#include <sodium.h>

#include <algorithm>
#include <cassert>
#include <cstring>
#include <string_view>

#include "base/wire.h"
#include "noise/hash.h"

namespace hawser {
namespace {

using noise_internal::blake2s_hash;
using noise_internal::blake2s_keyed;
using noise_internal::Bytes;

static_assert(kCookieNonceLen == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES);
static_assert(kHashLen == crypto_aead_xchacha20poly1305_ietf_KEYBYTES);

constexpr std::size_t kMacsLen = 2 * kMacLen;
constexpr std::size_t kSenderOffset = 4;

std::array<std::uint8_t, kHashLen> derive_key(std::string_view label, const PublicKey& of) {
  std::array<std::uint8_t, kHashLen> key{};
  blake2s_hash(key,
               {{reinterpret_cast<const std::uint8_t*>(label.data()), label.size()}, of.bytes});
  return key;
}

std::array<std::uint8_t, kHashLen> derive_mac1_key(const PublicKey& of) {
  return derive_key("mac1----", of);
}
std::array<std::uint8_t, kHashLen> derive_cookie_key(const PublicKey& of) {
  return derive_key("cookie--", of);
}

// Both cover everything that comes before them: mac2 covers mac1.
std::array<std::uint8_t, kMacLen> compute_mac1(Bytes key, Bytes message) {
  std::array<std::uint8_t, kMacLen> mac{};
  blake2s_keyed(mac, key, {message.first(message.size() - kMacsLen)});
  return mac;
}
std::array<std::uint8_t, kMacLen> compute_mac2(Bytes cookie, Bytes message) {
  std::array<std::uint8_t, kMacLen> mac{};
  blake2s_keyed(mac, cookie, {message.first(message.size() - kMacLen)});
  return mac;
}

Bytes mac1_of(Bytes message) { return message.last(kMacsLen).first(kMacLen); }
Bytes mac2_of(Bytes message) { return message.last(kMacLen); }

bool has_no_mac2(Bytes message) {
  const Bytes mac2 = mac2_of(message);
  return std::all_of(mac2.begin(), mac2.end(), [](std::uint8_t byte) { return byte == 0; });
}

bool has_macs(Bytes message) {
  return message.size() == sizeof(InitiationMessage) || message.size() == sizeof(ResponseMessage);
}

}  // namespace

void CookieChecker::set_public_key(const PublicKey& own) {
  has_key_ = !own.is_zero();
  mac1_key_ = derive_mac1_key(own);
  cookie_key_ = derive_cookie_key(own);
}

MacVerdict CookieChecker::check(std::span<const std::uint8_t> message, const CookieSource& source,
                                bool check_mac2, Instant now, RandomSource& random) {
  if (!has_key_ || !has_macs(message)) return MacVerdict::kInvalidMac1;
  if (!equal_constant_time(compute_mac1(mac1_key_, message), mac1_of(message))) {
    return MacVerdict::kInvalidMac1;
  }
  // A sender without a cookie leaves mac2 zero; a flood of those need not cost two hashes each.
  if (!check_mac2 || has_no_mac2(message)) return MacVerdict::kValidMac1;
  const std::array<std::uint8_t, kCookieLen> cookie = make_cookie(source, now, random);
  if (!equal_constant_time(compute_mac2(cookie, message), mac2_of(message))) {
    return MacVerdict::kValidMac1;
  }
  return MacVerdict::kValidMac2;
}

void CookieChecker::create_reply(CookieReplyMessage& out, std::span<const std::uint8_t> message,
                                 const CookieSource& source, Instant now, RandomSource& random) {
  assert(has_macs(message));
  const std::array<std::uint8_t, kCookieLen> cookie = make_cookie(source, now, random);
  store_le32(out.type.data(), static_cast<std::uint32_t>(MessageType::kCookieReply));
  std::memcpy(out.receiver.data(), message.data() + kSenderOffset, out.receiver.size());
  random.fill(out.nonce);
  // The mac1 that it answers is authenticated along, so that it fits one message of one sender.
  const Bytes mac1 = mac1_of(message);
  crypto_aead_xchacha20poly1305_ietf_encrypt(out.encrypted_cookie.data(), nullptr, cookie.data(),
                                             cookie.size(), mac1.data(), mac1.size(), nullptr,
                                             out.nonce.data(), cookie_key_.data());
}

std::array<std::uint8_t, kCookieLen> CookieChecker::make_cookie(const CookieSource& source,
                                                                Instant now, RandomSource& random) {
  if (!secret_made_ || now - *secret_made_ >= kCookieRefreshTime) {
    random.fill(secret_.mutable_bytes());
    secret_made_ = now;
  }
  std::array<std::uint8_t, kCookieLen> cookie{};
  blake2s_keyed(cookie, secret_.bytes(), {source.span()});
  return cookie;
}

CookieMaker::CookieMaker(const PublicKey& remote_static)
    : mac1_key_(derive_mac1_key(remote_static)), cookie_key_(derive_cookie_key(remote_static)) {}

void CookieMaker::add_macs(std::span<std::uint8_t> message, Instant now) {
  assert(has_macs(message));
  last_mac1_ = compute_mac1(mac1_key_, message);
  reply_expected_ = true;
  std::copy(last_mac1_.begin(), last_mac1_.end(), message.last(kMacsLen).begin());

  // 5 s less than the other side's secret lives, for the time on the way.
  if (cookie_received_ && now - *cookie_received_ >= kCookieRefreshTime - kCookieLatency) clear();
  std::array<std::uint8_t, kMacLen> mac2{};
  if (cookie_received_) mac2 = compute_mac2(cookie_, message);
  std::copy(mac2.begin(), mac2.end(), message.last(kMacLen).begin());
}

bool CookieMaker::consume_reply(const CookieReplyMessage& reply, Instant now) {
  if (!reply_expected_) return false;
  std::array<std::uint8_t, kCookieLen> cookie{};
  const int failed = crypto_aead_xchacha20poly1305_ietf_decrypt(
      cookie.data(), nullptr, nullptr, reply.encrypted_cookie.data(), reply.encrypted_cookie.size(),
      last_mac1_.data(), last_mac1_.size(), reply.nonce.data(), cookie_key_.data());
  if (failed != 0) return false;  // a forged reply does not use up the one that we wait for
  reply_expected_ = false;
  cookie_ = cookie;
  cookie_received_ = now;
  return true;
}

void CookieMaker::clear() {
  cookie_received_.reset();
  wipe(cookie_);
}

}  // namespace hawser
