#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hawser {

// With so many peers the dump is some 700 lines; a log is not the place for more.
inline constexpr std::size_t kMaxLoggedPeers = 64;

// The daemon's status (the answer to get=status) as people read it, line by line, for the log. Of
// many peers the first kMaxLoggedPeers. `now`: Unix time, seconds.
std::vector<std::string> status_log_lines(std::string_view report, std::int64_t now);

}  // namespace hawser
