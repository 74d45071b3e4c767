#include "ctl/interface_setup.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "ctl/exit_routing.h"

namespace hawser {

namespace {

class NetlinkPort : public InterfacePort {
 public:
  explicit NetlinkPort(Link link) : link_(std::move(link)) {}

  void follow(std::uint32_t ifindex) override { link_.index = ifindex; }
  Status bring_up() override { return set_link_up(link_); }
  Status set_mtu(std::uint32_t mtu) override { return set_link_mtu(link_, mtu); }
  Status add_address(const InterfaceAddress& address) override {
    return hawser::add_address(link_, address.address, address.prefix_len);
  }
  Status remove_address(const InterfaceAddress& address) override {
    return hawser::remove_address(link_, address.address, address.prefix_len);
  }
  Status add_route(const TunnelRoute& route) override { return hawser::add_route(link_, route); }
  Status replace_route(const TunnelRoute& route) override {
    return hawser::replace_route(link_, route);
  }
  Status remove_route(const TunnelRoute& route) override {
    return hawser::remove_route(link_, route);
  }

  Status add_rule(const PolicyRule& rule) override { return hawser::add_rule(rule); }
  Status remove_rule(const PolicyRule& rule) override { return hawser::remove_rule(rule); }
  Status remove_leftovers() override { return remove_stale_rules(); }

 private:
  Link link_;
};

template <class T>
bool contains(const std::vector<T>& list, const T& item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

bool has_address(const TunnelState& seen, const InterfaceAddress& address) {
  return contains(seen.addresses, LinkAddress{address.address, address.prefix_len});
}

// Of a plan's routes, which are few.
bool has_way(const std::vector<TunnelRoute>& routes, const TunnelRoute& route) {
  return std::any_of(routes.begin(), routes.end(),
                     [&](const TunnelRoute& other) { return other.same_way(route); });
}

// What the kernel takes for its own source otherwise is the address of another interface, which
// nobody in the tunnel answers.
std::optional<IpAddress> source_for(const HostPlan& plan, const Prefix& prefix) {
  const IpFamily family = prefix.address().family;
  for (const FailoverRoute& route : plan.failover_routes) {
    if (route.destination != prefix) continue;
    // In the subnet of the controller that carries it, so that answers come back by the same.
    const IpAddress& own = plan.peers[route.peers.front()].own_address;
    if (own.family == family && !own.is_unspecified()) return own;
  }
  for (const InterfaceAddress& own : plan.interface.addresses) {
    if (own.address.family == family) return own.address;
  }
  return std::nullopt;
}

}  // namespace

InterfaceSettings InterfaceSettings::of(const HostPlan& plan) {
  InterfaceSettings settings;
  settings.addresses = plan.interface.addresses;
  settings.mtu = plan.interface.mtu;
  for (const Prefix& prefix : plan.added_routes()) {
    const std::uint32_t table = prefix.length() == 0 ? kExitTable : kMainTable;
    settings.routes.push_back({prefix, table, source_for(plan, prefix)});
  }
  return settings;
}

InterfaceLack InterfaceLack::find(const InterfaceSettings& wanted, const TunnelState& seen) {
  InterfaceLack lack;
  if (!seen.up) return lack;
  for (const InterfaceAddress& address : wanted.addresses) {
    if (!has_address(seen, address)) {
      lack.addresses.push_back(address);
      continue;
    }
    const TunnelRoute connected{address.connected(), kMainTable, {}};
    const bool brings_way = address.prefix_len < address.address.bits();
    if (brings_way && !seen.routes->has(connected) && !has_way(lack.routes, connected)) {
      lack.routes.push_back(connected);
    }
  }
  for (const TunnelRoute& route : wanted.routes) {
    // A source that is gone has left the route without it, or has taken the route along.
    const bool lost_source =
        route.source && std::any_of(lack.addresses.begin(), lack.addresses.end(),
                                    [&](const InterfaceAddress& address) {
                                      return address.address == *route.source;
                                    });
    if (lost_source || !seen.routes->has(route)) lack.routes.push_back(route);
  }
  for (const PolicyRule& rule : wanted.rules) {
    if (!contains(seen.rules, rule)) lack.rules.push_back(rule);
  }
  return lack;
}

std::vector<std::string> InterfaceLack::items() const {
  std::vector<std::string> items;
  for (const InterfaceAddress& address : addresses)
    items.push_back("address " + address.to_string());
  for (const TunnelRoute& route : routes) items.push_back("route " + route.prefix.to_string());
  for (const PolicyRule& rule : rules) {
    items.push_back("rule " + std::to_string(rule.priority) +
                    (rule.family == IpFamily::kV4 ? " for IPv4" : " for IPv6"));
  }
  return items;
}

std::unique_ptr<InterfacePort> make_netlink_port(const Link& link) {
  return std::make_unique<NetlinkPort>(link);
}

InterfaceSetup::InterfaceSetup(std::unique_ptr<InterfacePort> port, LogSink log)
    : port_(std::move(port)), log_(std::move(log)) {}

InterfaceSetup::~InterfaceSetup() { reduce({}); }

Status InterfaceSetup::extend(const InterfaceSettings& wanted) {
  if (is_moved_) {
    missed_mtu_ = wanted.mtu;
    return {};
  }
  const InterfaceSettings before = have_;
  Status added = add_all(wanted);
  if (added) return added;
  reduce(before);
  // An address that gave way to itself with another length, a route with another source.
  for (const InterfaceAddress& address : before.addresses) {
    if (!contains(have_.addresses, address)) warn(add_address(address));
  }
  if (!is_down_) warn(add_routes(before.routes));
  if (before.mtu != 0 && have_.mtu != before.mtu) warn(port_->set_mtu(before.mtu));
  have_ = before;
  return added;
}

Status InterfaceSetup::add_all(const InterfaceSettings& wanted) {
  if (wanted.mtu != 0 && wanted.mtu != have_.mtu) {
    if (Status set = port_->set_mtu(wanted.mtu); !set) return set;
    have_.mtu = wanted.mtu;
  }
  for (const InterfaceAddress& address : wanted.addresses) {
    if (contains(have_.addresses, address)) continue;
    if (Status added = add_address(address); !added) return added;
  }
  if (!std::exchange(is_up_, true)) {
    warn(port_->remove_leftovers());
    if (Status up = port_->bring_up(); !up) {
      is_up_ = false;
      return up;
    }
  }
  if (!is_down_) {
    if (Status added = add_routes(wanted.routes); !added) return added;
  }
  // Last: what they lead to is there.
  for (const PolicyRule& rule : wanted.rules) {
    if (contains(have_.rules, rule)) continue;
    if (Status added = port_->add_rule(rule); !added) return added;
    have_.rules.push_back(rule);
  }
  return {};
}

Status InterfaceSetup::add_routes(const std::vector<TunnelRoute>& wanted) {
  for (const TunnelRoute& route : wanted) {
    if (contains(have_.routes, route)) continue;
    if (Status added = add_route(route); !added) return added;
  }
  return {};
}

// With another source it takes its own place.
Status InterfaceSetup::add_route(const TunnelRoute& route) {
  const auto twin = std::find_if(have_.routes.begin(), have_.routes.end(),
                                 [&](const TunnelRoute& other) { return other.same_way(route); });
  const bool replaces = twin != have_.routes.end();
  if (Status added = replaces ? port_->replace_route(route) : port_->add_route(route); !added) {
    return added;
  }
  if (replaces) {
    *twin = route;
  } else {
    have_.routes.push_back(route);
  }
  return {};
}

// An address stands on an interface once: with another length it takes its own place.
Status InterfaceSetup::add_address(const InterfaceAddress& address) {
  const auto twin =
      std::find_if(have_.addresses.begin(), have_.addresses.end(),
                   [&](const InterfaceAddress& other) { return other.address == address.address; });
  if (twin != have_.addresses.end()) {
    if (Status removed = port_->remove_address(*twin); !removed) return removed;
    have_.addresses.erase(twin);
  }
  if (Status added = port_->add_address(address); !added) return added;
  have_.addresses.push_back(address);
  return {};
}

void InterfaceSetup::reduce(const InterfaceSettings& wanted) {
  std::erase_if(have_.rules, [&](const PolicyRule& rule) {
    if (contains(wanted.rules, rule)) return false;
    warn(port_->remove_rule(rule));
    return true;
  });
  if (is_moved_) return;
  std::erase_if(have_.routes, [&](const TunnelRoute& route) {
    if (has_way(wanted.routes, route)) return false;
    warn(port_->remove_route(route));
    return true;
  });
  std::erase_if(have_.addresses, [&](const InterfaceAddress& address) {
    if (contains(wanted.addresses, address)) return false;
    warn(port_->remove_address(address));
    return true;
  });
}

// Nobody looks whether the MTU is still a plan's, so a change of it is made once.
void InterfaceSetup::catch_up() {
  if (missed_mtu_ == 0) return;
  if (missed_mtu_ != have_.mtu) {
    const Status set = port_->set_mtu(missed_mtu_);
    if (!set && set.error().code == ENODEV) return;  // gone again; when it is back
    if (set) have_.mtu = missed_mtu_;
    warn(set);
  }
  missed_mtu_ = 0;
}

void InterfaceSetup::see(const TunnelState& seen) {
  is_moved_ = seen.place == TunnelState::Place::kMoved;
  if (!is_moved_) {
    port_->follow(seen.ifindex);
    catch_up();
  }
  is_down_ = is_up_ && !seen.up;
  std::erase_if(have_.addresses,
                [&](const InterfaceAddress& address) { return !has_address(seen, address); });
  std::erase_if(have_.routes,
                [&](const TunnelRoute& route) { return !seen.routes->has_way(route); });
  // A route that has lost its source is one without.
  for (TunnelRoute& route : have_.routes) {
    if (route.source && !seen.routes->has(route)) route.source.reset();
  }
  std::erase_if(have_.rules, [&](const PolicyRule& rule) { return !contains(seen.rules, rule); });
}

Status InterfaceSetup::put_back(const InterfaceLack& lack) {
  if (is_moved_) return {};
  Status first;
  const auto note = [&](Status status) {
    if (!status && first) first = std::move(status);
  };
  for (const InterfaceAddress& address : lack.addresses) note(add_address(address));
  for (const TunnelRoute& route : lack.routes) note(add_route(route));
  for (const PolicyRule& rule : lack.rules) {
    Status added = port_->add_rule(rule);
    if (added && !contains(have_.rules, rule)) have_.rules.push_back(rule);
    note(std::move(added));
  }
  return first;
}

void InterfaceSetup::warn(const Status& status) const {
  // An interface that is gone has taken everything with it.
  if (!status && status.error().code != ENODEV && log_) {
    log_(LogLevel::kWarning, status.error().message);
  }
}

}  // namespace hawser
