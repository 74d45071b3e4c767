#include "ctl/exit_routing.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <system_error>

namespace hawser {

namespace {

constexpr int kStrict = 1;

int rp_filter_of(const std::filesystem::path& interface) {
  int value = 0;
  std::ifstream file(interface / "rp_filter");
  return file >> value ? value : 0;
}

}  // namespace

std::vector<PolicyRule> exit_rules(const std::vector<TunnelRoute>& routes, std::uint32_t mark) {
  std::vector<PolicyRule> rules;
  for (const TunnelRoute& route : routes) {
    if (route.table != kExitTable) continue;
    const IpFamily family = route.prefix.address().family;
    rules.push_back({family, kExitRulePriority, kMainTable, {}, true});
    rules.push_back({family, kExitRulePriority + 1, kExitTable, mark, false});
  }
  return rules;
}

std::vector<std::string> strict_interfaces(const std::string& directory,
                                           const std::string& tunnel) {
  std::vector<std::string> strict;
  // The larger of the two values counts.
  const int for_all = rp_filter_of(std::filesystem::path(directory) / "all");
  std::error_code error;
  for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name == "all" || name == "default" || name == "lo" || name == tunnel) continue;
    if (std::max(for_all, rp_filter_of(entry->path())) == kStrict) strict.push_back(name);
  }
  std::sort(strict.begin(), strict.end());
  return strict;
}

}  // namespace hawser
