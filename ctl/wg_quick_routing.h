#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "ctl/wg_quick_file.h"
#include "tun/tunnel_state.h"

namespace hawser {

// What a wg-quick file makes of a host's routing. The rules come last, as what they lead to has to
// be there; the mark before everything, as the tunnel's own packets must not go into the tunnel.
struct WgQuickRouting {
  std::vector<TunnelRoute> routes;      // each once
  std::optional<std::uint32_t> fwmark;  // nothing: as it is
  std::vector<PolicyRule> rules;
};

// Table = auto, wg-quick's default: allowed IPs go into the main table, but for those that the
// addresses bring by themselves; a default route goes beside the host's own (ctl/exit_routing.h),
// with the file's FwMark where it has one. Table = N: all of them go there, and who looks there is
// the operator's to say. Table = off: none. Pure.
WgQuickRouting routing_of(const WgQuickFile& file);

}  // namespace hawser
