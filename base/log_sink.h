#pragma once
#include <cstdint>
#include <functional>
#include <string>

namespace hawser {

enum class LogLevel : std::uint8_t { kError, kWarning, kInfo, kDebug };

// Where the core says what people should know. Called from control and handshake threads, also
// under the device's lock, never from a packet path: the receiver does not block, and limits the
// rate. May be empty.
using LogSink = std::function<void(LogLevel, const std::string&)>;

}  // namespace hawser
