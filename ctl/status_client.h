#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace hawser {

using StatusLine = std::pair<std::string, std::string>;  // key, value

// StatusAnswer is what a daemon says to get=status, cut at each public_key.
struct StatusAnswer {
  std::vector<StatusLine> device;
  std::vector<std::vector<StatusLine>> peers;  // public_key (hexadecimal) first
};

inline constexpr std::string_view kStatusDropPrefix = "drop.";

// The first value of `key`; empty: there is none.
std::string_view status_value(const std::vector<StatusLine>& lines, std::string_view key);
// The same as a number; 0: there is none.
std::int64_t status_number(const std::vector<StatusLine>& lines, std::string_view key);
std::optional<std::int64_t> status_integer(std::string_view text);
// From the socket's hexadecimal to what people see; other text stays as it is.
std::string status_key_to_base64(std::string_view hex);

// The interfaces that have a control socket in `directory`, in order of name.
std::vector<std::string> list_interfaces(const std::string& directory);

// A daemon that says nothing for so long hangs, or is stopped: a status of 10,000 peers takes it a
// tenth of a second.
inline constexpr Duration kAnswerTime = std::chrono::seconds(3);
// A reload of a large network, checked whole, takes a while.
inline constexpr Duration kActionTime = std::chrono::seconds(30);

// The one that `wanted` names; empty: the only one in `directory` that a daemon answers for. Errors
// say which there are.
Result<std::string> choose_interface(const std::string& directory, const std::string& wanted,
                                     Duration at_most = kAnswerTime);

// The one that the daemon with this process id serves.
Result<std::string> interface_of_process(const std::string& directory, std::int32_t pid);

// Asks the daemon at DIRECTORY/INTERFACE.sock: connecting and the whole answer take no longer than
// `at_most`. The Error then says whether the daemon is stopped.
Result<StatusAnswer> query_status(const std::string& directory, const std::string& interface,
                                  Duration at_most = kAnswerTime);

// Has the daemon do something: "do=reload\n", "do=confirm\n". The Error has the daemon's message,
// perhaps of several lines. One that does not answer at all within `awake_within` is not asked to
// do it, so that it does not do it later.
Status request_action(const std::string& directory, const std::string& interface,
                      std::string_view request, Duration awake_within = kAnswerTime);

// A set=1 request of the cross-platform UAPI, whole. `request` may hold secrets; the Error does
// not.
Status request_set(const std::string& directory, const std::string& interface,
                   std::string_view request);

// The whole answer, its errno line included. Any other errno than 0, and text that is not an
// answer, is an error.
Result<StatusAnswer> parse_status(std::string_view text);
Status parse_action_reply(std::string_view text);

// Fields may be added under the same version; what is there keeps its name, type and meaning.
inline constexpr int kStatusSchemaVersion = 1;

// For programs: the names of the socket, but "liveness" for "reachable"; numbers and truth values
// as such, drop counters and allowed IPs gathered, keys in base64. One object; indented. Every
// field is in docs/STATUS.md.
std::string status_to_json(const std::vector<StatusAnswer>& answers);

}  // namespace hawser
