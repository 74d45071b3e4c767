#include "ctl/echo_message.h"

#include <algorithm>

#include "base/wire.h"
#include "routing/checksum.h"

namespace hawser {

namespace {

constexpr std::size_t kHeaderLen = 8;
// As ping(8) has it.
constexpr std::size_t kPayloadLen = 56;
constexpr std::size_t kTokenAt = kHeaderLen;
constexpr std::size_t kNumberAt = kTokenAt + 8;
constexpr std::uint8_t kEchoRequest4 = 8;
constexpr std::uint8_t kEchoReply4 = 0;
constexpr std::uint8_t kEchoRequest6 = 128;
constexpr std::uint8_t kEchoReply6 = 129;

}  // namespace

std::vector<std::uint8_t> make_echo_request(IpFamily family, const EchoRun& run,
                                            std::uint64_t number) {
  std::vector<std::uint8_t> message(kHeaderLen + kPayloadLen);
  message[0] = family == IpFamily::kV4 ? kEchoRequest4 : kEchoRequest6;
  store_be16(&message[4], run.identifier);
  store_be16(&message[6], static_cast<std::uint16_t>(number));
  store_be64(&message[kTokenAt], run.token);
  store_be64(&message[kNumberAt], number);
  if (family == IpFamily::kV4) store_be16(&message[2], checksum_finish(checksum_add(0, message)));
  return message;
}

std::optional<std::uint64_t> parse_echo_reply(IpFamily family, const EchoRun& run,
                                              std::span<const std::uint8_t> message) {
  if (message.size() < kHeaderLen + kPayloadLen) return std::nullopt;
  if (message[0] != (family == IpFamily::kV4 ? kEchoReply4 : kEchoReply6)) return std::nullopt;
  // Ping sockets have identifiers of their own, so that the token alone decides.
  if (load_be64(&message[kTokenAt]) != run.token) return std::nullopt;
  return load_be64(&message[kNumberAt]);
}

}  // namespace hawser
