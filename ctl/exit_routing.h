#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "tun/tunnel_state.h"

namespace hawser {

// How a host sends through another one's exit: all that the main table sends nowhere more special
// than its default route is looked up in a table of our own, whose default route leads into the
// tunnel; but for packets with our mark, which are the tunnel's own. So endpoints, LANs and the
// host's default route stay as they are. Table, mark and priorities are no others' that are known
// of (wg-quick: 51820 and priorities from 32765 down, Tailscale: 52 and 5210 on).
inline constexpr std::uint32_t kExitTable = 7200;
inline constexpr std::uint32_t kExitRulePriority = 7200;
inline constexpr std::uint32_t kExitMark = 0x7200;

// The rules for the families of which `routes` has one in the exit's table.
std::vector<PolicyRule> exit_rules(const std::vector<TunnelRoute>& routes, std::uint32_t mark);

// The interfaces other than `tunnel` and lo where the kernel takes an IPv4 packet only from where
// it would send the answer (rp_filter=1). With an exit it would drop the tunnel's own packets
// there. `directory`: /proc/sys/net/ipv4/conf.
std::vector<std::string> strict_interfaces(const std::string& directory, const std::string& tunnel);

}  // namespace hawser
