#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace hawser {

using StatusLine = std::pair<std::string, std::string>;  // key, value

// StatusAnswer is what a daemon says to get=status, cut at each public_key.
struct StatusAnswer {
  std::vector<StatusLine> device;
  std::vector<std::vector<StatusLine>> peers;  // public_key (hexadecimal) first
};

// The interfaces that have a control socket in `directory`, in order of name.
std::vector<std::string> list_interfaces(const std::string& directory);

// Asks the daemon at DIRECTORY/INTERFACE.sock. Waits a bounded time for it.
Result<StatusAnswer> query_status(const std::string& directory, const std::string& interface);

// The whole answer, its errno line included. Any other errno than 0, and text that is not an
// answer, is an error.
Result<StatusAnswer> parse_status(std::string_view text);

// For people: units, ages (against `now`, Unix time in seconds), keys in base64.
std::string format_status(const StatusAnswer& answer, std::int64_t now);

// For programs: the same names as on the socket; numbers and truth values as such, drop counters
// and allowed IPs gathered, keys in base64. One object; indented.
std::string status_to_json(const std::vector<StatusAnswer>& answers);

}  // namespace hawser
