#pragma once
// What the address plans have in common when they fill a HostPlan. Internal to network/.
#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "network/plan.h"
#include "network/sites.h"

namespace hawser::network_internal {

class PlanBuilder {
 public:
  // All three outlive the builder; `self` is one of the network's hosts.
  PlanBuilder(HostPlan& plan, const Network& network, const NetworkHost& self);

  void add_address(const IpAddress& address, unsigned prefix_len);
  // The addresses of the tunnel's two ends. Its allowed IPs come with add_prefix().
  void add_peer(const NetworkHost& peer, const IpAddress& address, const IpAddress& own_address);
  std::uint32_t index_of(const NetworkHost& peer) const;  // of a peer that was added

  // Routes `prefix` through the peers of `route` in order, and accepts it from those of `accept`.
  // The first of `route` is its owner by the stock rule. A prefix that the plan has already stays.
  void add_prefix(const Prefix& prefix, std::vector<std::uint32_t> route,
                  std::vector<std::uint32_t> accept);
  // The same for a network behind hosts; `route` reaches them. `self` in front of it routes
  // nothing, and accepts what the others send from it.
  void add_site(const Site& site, const std::vector<std::uint32_t>& route);

  // Puts everything in its order and derives the routes.
  void finish();

 private:
  HostPlan& plan_;
  const Network& network_;
  const NetworkHost& self_;
  std::map<const NetworkHost*, std::uint32_t> indices_;
  std::set<Prefix> own_exits_;  // that this host sends through itself
  // Routes, which may be empty, and whom it is accepted from.
  std::map<Prefix, std::pair<std::vector<std::uint32_t>, std::vector<std::uint32_t>>> prefixes_;
};

}  // namespace hawser::network_internal
