#include "dataplane/drop_reason.h"

namespace hawser {

std::string_view to_string(DropReason reason) {
  static constexpr std::array<std::string_view, kNumDropReasons> kNames = {
      "malformed",    "invalid-mac",       "handshake-refused",  "handshake-queue-full",
      "rate-limited", "no-session",        "session-expired",    "bad-tag",
      "replayed",     "inner-malformed",   "source-not-allowed", "no-route",
      "no-endpoint",  "not-for-us",        "hop-limit",          "too-big",
      "staged-full",  "staged-expired",    "no-private-key",     "send-failed",
      "tun-failed",   "batch-full",        "interface-down",     "tun-malformed",
      "loop",         "impossible-source", "socket-full",
  };
  static_assert(!kNames.back().empty());
  return kNames[static_cast<std::size_t>(reason)];
}

}  // namespace hawser
