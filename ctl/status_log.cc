#include "ctl/status_log.h"

#include <fmt/format.h>

#include <algorithm>

#include "ctl/status_client.h"
#include "ctl/status_text.h"

namespace hawser {

std::vector<std::string> status_log_lines(std::string_view report, std::int64_t now) {
  Result<StatusAnswer> answer = parse_status(report);
  if (!answer) return {"status: " + answer.error().message};
  const std::size_t num_peers = answer->peers.size();
  if (num_peers > kMaxLoggedPeers) answer->peers.resize(kMaxLoggedPeers);
  const std::string text = format_status(*answer, now);
  std::vector<std::string> lines;
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    if (!line.empty()) lines.push_back(fmt::format("status: {}", line));
  }
  if (num_peers > kMaxLoggedPeers) {
    lines.push_back(fmt::format("status: and {} more peers; hawser status shows them all",
                                num_peers - kMaxLoggedPeers));
  }
  return lines;
}

}  // namespace hawser
