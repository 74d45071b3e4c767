#pragma once
// What the tests of noise/ share: hex, virtual time, random sources that are not random.
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstring>
#include <deque>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string_view>
#include <vector>

#include "base/hex.h"
#include "base/random_source.h"
#include "base/time.h"
#include "noise/cookie.h"
#include "noise/handshake.h"

namespace hawser::test {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::nanoseconds;
using std::chrono::seconds;

inline std::vector<std::uint8_t> unhex(std::string_view text) {
  std::vector<std::uint8_t> bytes(text.size() / 2);
  EXPECT_TRUE(from_hex(bytes, text)) << text;
  return bytes;
}
template <std::size_t N>
std::array<std::uint8_t, N> unhex_array(std::string_view text) {
  std::array<std::uint8_t, N> bytes{};
  EXPECT_TRUE(from_hex(bytes, text)) << text;
  return bytes;
}
template <class Key>
Key secret_from_hex(std::string_view text) {
  const auto bytes = unhex_array<Key::kSize>(text);
  return Key(std::span<const std::uint8_t, Key::kSize>(bytes));
}

inline std::span<const std::uint8_t> text(std::string_view from) {
  return {reinterpret_cast<const std::uint8_t*>(from.data()), from.size()};
}

inline Instant at(Duration since_boot) { return Instant(since_boot); }

template <class Message>
std::span<std::uint8_t> raw(Message& message) {
  return {reinterpret_cast<std::uint8_t*>(&message), sizeof message};
}
template <class Message>
std::span<const std::uint8_t> raw(const Message& message) {
  return {reinterpret_cast<const std::uint8_t*>(&message), sizeof message};
}
template <class Message>
Message message_from_hex(std::string_view text) {
  Message message;
  const std::vector<std::uint8_t> bytes = unhex(text);
  EXPECT_EQ(bytes.size(), sizeof message);
  std::memcpy(&message, bytes.data(), sizeof message);
  return message;
}

// Gives out what it was told to, in order; running dry is a failure.
class ScriptedRandom final : public RandomSource {
 public:
  void then(std::span<const std::uint8_t> bytes) {
    script_.insert(script_.end(), bytes.begin(), bytes.end());
  }
  void fill(std::span<std::uint8_t> out) override {
    ASSERT_GE(script_.size(), out.size()) << "more randomness asked for than the script has";
    for (std::uint8_t& byte : out) {
      byte = script_.front();
      script_.pop_front();
    }
  }
  bool used_up() const { return script_.empty(); }

 private:
  std::deque<std::uint8_t> script_;
};

class SeededRandom final : public RandomSource {
 public:
  explicit SeededRandom(std::uint64_t seed) : engine_(seed) {}
  void fill(std::span<std::uint8_t> out) override {
    for (std::uint8_t& byte : out) byte = static_cast<std::uint8_t>(engine_());
  }
  std::uint64_t u64() { return engine_(); }

 private:
  std::mt19937_64 engine_;
};

inline PrivateKey make_private(RandomSource& random) {
  PrivateKey key;
  random.fill(key.mutable_bytes());
  key.clamp();
  return key;
}

// One end of a tunnel: its identity and its handshake with the other end.
struct End {
  End(PrivateKey own, const PublicKey& remote) : identity(std::move(own)), handshake(remote) {}
  Identity identity;
  Handshake handshake;
};

// Two ends that know each other.
struct Pair {
  explicit Pair(std::uint64_t seed) : random(seed) {
    PrivateKey key_a = make_private(random);
    PrivateKey key_b = make_private(random);
    const PublicKey public_a = key_a.derive_public();
    a = std::make_unique<End>(std::move(key_a), key_b.derive_public());
    b = std::make_unique<End>(std::move(key_b), public_a);
  }

  InitiationMessage initiate(End& from, std::int64_t second, std::uint32_t index) {
    InitiationMessage message{};
    EXPECT_EQ(from.handshake.create_initiation(message, from.identity, index,
                                               to_tai64n({second, 0}), random),
              HandshakeVerdict::kOk);
    return message;
  }
  HandshakeVerdict receive(End& to, const InitiationMessage& message, Instant now) {
    const std::optional<OpenedInitiation> opened = open_initiation(message, to.identity);
    if (!opened) return HandshakeVerdict::kBadMessage;
    return to.handshake.consume_initiation(*opened, message, to.identity, now);
  }
  ResponseMessage respond(End& from, std::uint32_t index) {
    ResponseMessage message{};
    EXPECT_EQ(from.handshake.create_response(message, index, random), HandshakeVerdict::kOk);
    return message;
  }
  HandshakeVerdict receive(End& to, const ResponseMessage& message) {
    return to.handshake.consume_response(message, to.identity);
  }

  SeededRandom random;
  std::unique_ptr<End> a;
  std::unique_ptr<End> b;
};

inline std::string hex(std::span<const std::uint8_t> bytes) { return to_hex(bytes); }

}  // namespace hawser::test
