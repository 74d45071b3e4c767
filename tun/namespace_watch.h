#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "tun/netlink_monitor.h"
#include "tun/netlink_socket.h"
#include "tun/route_table.h"
#include "tun/tunnel_route_set.h"

namespace hawser {

// NamespaceWatch follows one network namespace: its addresses, its routes, and one link in it.
// Opened on a thread that is in the namespace, used anywhere afterwards. One thread's.
class NamespaceWatch {
 public:
  // `interface`: the link to follow, by its index from now on; empty: none.
  Status open(const std::string& interface);
  int fd() const { return events_.fd(); }

  // Takes in what the kernel has told. Never blocks.
  Status read();
  // Dumps anew if something told that what is held is no longer certain, but spends no more than
  // a tenth of the time on it: a dump of a million routes takes a second. Returns when to come
  // again if it was too soon.
  Result<std::optional<Instant>> refresh(Instant now);

  // The followed link's state if it changed since the last time; `deleted` when it is no longer in
  // this namespace.
  std::optional<LinkState> take_link_change();
  std::vector<IpAddress> take_removed_addresses();
  // The followed link's addresses and the routes into it if they, its name, or its being up
  // changed.
  std::optional<TunnelState> take_tunnel_change();
  const std::vector<PolicyRule>& rules() const { return rules_; }

  bool routes_changed() const { return addresses_changed_ || routes_.has_news(); }
  HostRoutes take_routes();
  std::vector<IpAddress> addresses() const;  // each once

 private:
  // One address of one link; an address may stand on several.
  using AddressEntry = std::tuple<IpAddress, std::uint32_t, std::uint8_t>;

  void handle(const nlmsghdr& message);
  void handle_link(const nlmsghdr& message, bool gone);
  void handle_address(const nlmsghdr& message, bool gone);
  void handle_route(const nlmsghdr& message, bool gone);
  void handle_rule(const nlmsghdr& message, bool gone);
  void load_route(const HostRoute& route);
  void remove_address(const AddressEntry& entry);
  Status dump();

  NetlinkSocket events_;
  NetlinkSocket requests_;
  std::uint32_t ifindex_ = 0;  // of the followed link; 0: none
  std::unordered_map<std::uint32_t, bool> link_is_up_;
  std::set<AddressEntry> addresses_;
  RouteTable routes_;
  std::shared_ptr<TunnelRouteSet> tunnel_routes_ = std::make_shared<TunnelRouteSet>();
  std::vector<PolicyRule> rules_;

  LinkState link_;
  std::string link_name_;
  bool link_changed_ = false;
  bool addresses_changed_ = false;
  bool tunnel_changed_ = false;
  bool stale_ = false;
  Instant next_dump_{};
  std::vector<IpAddress> removed_addresses_;
};

}  // namespace hawser
