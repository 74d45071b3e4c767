#include "noise/messages.h"

namespace hawser {

std::optional<MessageType> classify_message(std::span<const std::uint8_t> datagram) {
  if (datagram.size() < kTransportOverhead) return std::nullopt;  // the shortest of the four
  // Type and the three reserved bytes are one little-endian word.
  switch (load_le32(datagram.data())) {
    case 1:
      if (datagram.size() != sizeof(InitiationMessage)) return std::nullopt;
      return MessageType::kInitiation;
    case 2:
      if (datagram.size() != sizeof(ResponseMessage)) return std::nullopt;
      return MessageType::kResponse;
    case 3:
      if (datagram.size() != sizeof(CookieReplyMessage)) return std::nullopt;
      return MessageType::kCookieReply;
    case 4:
      return MessageType::kTransportData;
    default:
      return std::nullopt;
  }
}

}  // namespace hawser
