#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
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

// rtm_protocol and FRA_PROTOCOL of what we add, so that `ip route show proto 72` lists the routes
// and we remove no others. The kernel leaves numbers above RTPROT_STATIC to whoever routes
// (linux/rtnetlink.h); this one, an 'H', is neither in that header nor in iproute2's rt_protos.
inline constexpr std::uint8_t kRouteProtocol = 72;

// A rule of policy routing for all packets of one family: ip rule.
struct PolicyRule {
  IpFamily family = IpFamily::kV4;
  std::uint32_t priority = 0;  // the lower is asked first
  std::uint32_t table = kMainTable;
  std::optional<std::uint32_t> unless_mark = {};  // not for packets with this mark
  bool ignores_default = false;                   // of the table, routes of length 0 do not count

  friend bool operator==(const PolicyRule&, const PolicyRule&) = default;
};

// TunnelRoutes answers for the routes that lead into one interface and nowhere else, in any table
// and with any metric. There may be a million of them, of which few concern us: nobody gets a list.
class TunnelRoutes {
 public:
  virtual ~TunnelRoutes() = default;
  // Is there one for the way, whatever its source?
  virtual bool has_way(const TunnelRoute& way) const = 0;
  // And one that others made, or one of ours with this very source?
  virtual bool has(const TunnelRoute& route) const = 0;
};

// TunnelState is what the kernel has of one interface: its addresses, the routes into it, and the
// rules that lead to tables with such routes.
struct TunnelState {
  enum class Place : std::uint8_t { kHome, kRenamed, kMoved };

  bool up = false;
  Place place = Place::kHome;
  std::string name;           // what it is called there
  std::uint32_t ifindex = 0;  // and its index there, which a return may have changed
  std::vector<LinkAddress> addresses;
  std::shared_ptr<const TunnelRoutes> routes;  // goes with the time; not null
  std::vector<PolicyRule> rules;  // all of the daemon's namespace that have our protocol number
};

}  // namespace hawser
