#include "ctl/wg_quick_routing.h"

#include <algorithm>

#include "ctl/exit_routing.h"

namespace hawser {

namespace {

bool is_connected(const WgQuickFile& file, const Prefix& prefix) {
  return std::any_of(file.addresses.begin(), file.addresses.end(),
                     [&](const InterfaceAddress& own) { return own.connected() == prefix; });
}

std::vector<Prefix> all_allowed_ips(const WgQuickFile& file) {
  std::vector<Prefix> all;
  for (const WgQuickPeer& peer : file.peers) {
    all.insert(all.end(), peer.allowed_ips.begin(), peer.allowed_ips.end());
  }
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

}  // namespace

WgQuickRouting routing_of(const WgQuickFile& file) {
  WgQuickRouting routing;
  routing.fwmark = file.fwmark;
  if (file.table && file.table->number == 0) return routing;
  for (const Prefix& prefix : all_allowed_ips(file)) {
    if (file.table) {
      routing.routes.push_back({prefix, file.table->number, {}});
    } else if (prefix.length() == 0) {
      routing.routes.push_back({prefix, kExitTable, {}});
      if (file.fwmark.value_or(0) == 0) routing.fwmark = kExitMark;
    } else if (!is_connected(file, prefix)) {
      routing.routes.push_back({prefix, kMainTable, {}});
    }
  }
  if (!file.table && routing.fwmark) routing.rules = exit_rules(routing.routes, *routing.fwmark);
  return routing;
}

}  // namespace hawser
