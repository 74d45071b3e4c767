#pragma once
#include <vector>

#include "base/mutex.h"
#include "base/quiescent.h"
#include "dataplane/host_routes.h"
#include "routing/allowed_ips.h"

namespace hawser {

// HostRouteTable holds the host's addresses and routes as workers look them up. It has a lock of
// its own, not the device's: what changes a full routing table keeps neither handshakes nor
// requests waiting. A change costs what it tells, whatever the table's size.
class HostRouteTable {
 public:
  struct Mark {
    bool own_address = false;
    bool route = false;
  };

  explicit HostRouteTable(QuiescentDomain& domain) : table_(domain), outer_(domain) {}

  // As PrefixMap's: inside a reader section.
  PrefixMap<Mark>::Match lookup(const IpAddress& address) const { return table_.lookup(address); }
  // May our own outer packets come from there? Inside a reader section.
  bool is_outer_address(const IpAddress& address) const {
    return outer_.lookup(address).value != nullptr;
  }

  // Writes the difference only: a host with a full routing table changes it all the time. Returns
  // how many addresses and routes differ. `given`: addresses that are ours besides. Any thread.
  std::size_t set(const HostRoutes& routes, const std::vector<IpAddress>& given);

 private:
  using Prefixes = std::vector<Prefix>;  // sorted, each once

  // Of all routes, those that came and those that went.
  void compare_routes(const Prefixes& all, Prefixes& came, Prefixes& gone) const;

  Mutex mutex_;
  PrefixMap<Mark> table_;
  PrefixMap<Mark> outer_;
  Prefixes own_addresses_ HAWSER_GUARDED_BY(mutex_);
  Prefixes outer_addresses_ HAWSER_GUARDED_BY(mutex_);
};

}  // namespace hawser
