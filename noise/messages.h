#pragma once
// The four messages (WireGuard paper §5.4), byte for byte. All fields are byte arrays, so that a
// message can be laid over any buffer; integers are little endian.
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/wire.h"
#include "noise/constants.h"

namespace hawser {

enum class MessageType : std::uint8_t {
  kInitiation = 1,
  kResponse = 2,
  kCookieReply = 3,
  kTransportData = 4,
};

struct InitiationMessage {
  std::array<std::uint8_t, 4> type;
  std::array<std::uint8_t, 4> sender;
  std::array<std::uint8_t, kKeyLen> ephemeral;
  std::array<std::uint8_t, kKeyLen + kAeadTagLen> encrypted_static;
  std::array<std::uint8_t, kTai64nLen + kAeadTagLen> encrypted_timestamp;
  std::array<std::uint8_t, kMacLen> mac1;
  std::array<std::uint8_t, kMacLen> mac2;
};

struct ResponseMessage {
  std::array<std::uint8_t, 4> type;
  std::array<std::uint8_t, 4> sender;
  std::array<std::uint8_t, 4> receiver;
  std::array<std::uint8_t, kKeyLen> ephemeral;
  std::array<std::uint8_t, kAeadTagLen> encrypted_nothing;
  std::array<std::uint8_t, kMacLen> mac1;
  std::array<std::uint8_t, kMacLen> mac2;
};

struct CookieReplyMessage {
  std::array<std::uint8_t, 4> type;
  std::array<std::uint8_t, 4> receiver;
  std::array<std::uint8_t, kCookieNonceLen> nonce;
  std::array<std::uint8_t, kCookieLen + kAeadTagLen> encrypted_cookie;
};

struct TransportHeader {
  std::array<std::uint8_t, 4> type;
  std::array<std::uint8_t, 4> receiver;
  std::array<std::uint8_t, 8> counter;
};

static_assert(sizeof(InitiationMessage) == 148 && alignof(InitiationMessage) == 1);
static_assert(sizeof(ResponseMessage) == 92 && alignof(ResponseMessage) == 1);
static_assert(sizeof(CookieReplyMessage) == 64 && alignof(CookieReplyMessage) == 1);
static_assert(sizeof(TransportHeader) == 16 && alignof(TransportHeader) == 1);

inline constexpr std::size_t kTransportOverhead = sizeof(TransportHeader) + kAeadTagLen;  // 32
// A transport message's header.
inline std::uint32_t transport_receiver(const std::uint8_t* datagram) {
  return load_le32(datagram + offsetof(TransportHeader, receiver));
}
inline std::uint64_t transport_counter(const std::uint8_t* datagram) {
  return load_le64(datagram + offsetof(TransportHeader, counter));
}
inline void write_transport_header(std::uint8_t* datagram, std::uint32_t receiver,
                                   std::uint64_t counter) {
  store_le32(datagram, static_cast<std::uint32_t>(MessageType::kTransportData));
  store_le32(datagram + offsetof(TransportHeader, receiver), receiver);
  store_le64(datagram + offsetof(TransportHeader, counter), counter);
}

inline constexpr std::size_t kMaxHandshakeMessageLen = sizeof(InitiationMessage);

// The message's type when its first word and its length fit one (exact length for the first three,
// ≥ 32 for transport data); anything else is nullopt and is to be dropped.
std::optional<MessageType> classify_message(std::span<const std::uint8_t> datagram);

}  // namespace hawser
