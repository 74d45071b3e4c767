#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "routing/ip_address.h"

namespace hawser {

// RT_TABLE_MAIN, without its header.
inline constexpr std::uint32_t kMainTable = 254;

// An address of an interface with the length of the prefix that is on the link.
struct LinkAddress {
  IpAddress address;
  unsigned length = 0;
  friend bool operator==(const LinkAddress&, const LinkAddress&) = default;
};

// A route over one interface, without a next hop.
struct TunnelRoute {
  Prefix prefix;
  std::uint32_t table = kMainTable;
  std::optional<IpAddress> source = {};  // which the host itself prefers there (RTA_PREFSRC)

  // Is it the same way, wherever packets of this host come from?
  bool same_way(const TunnelRoute& other) const {
    return prefix == other.prefix && table == other.table;
  }
  friend bool operator==(const TunnelRoute&, const TunnelRoute&) = default;
};

// TunnelState is what the kernel has of one interface: its addresses, and the routes that lead into
// it and nowhere else, in any table and with any metric, without their sources.
struct TunnelState {
  bool up = false;
  std::vector<LinkAddress> addresses;
  std::vector<TunnelRoute> routes;
};

}  // namespace hawser
