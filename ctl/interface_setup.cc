#include "ctl/interface_setup.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "tun/netlink_config.h"

namespace hawser {

namespace {

class NetlinkPort : public InterfacePort {
 public:
  explicit NetlinkPort(std::string interface) : interface_(std::move(interface)) {}

  Status bring_up() override { return set_link_up(interface_); }
  Status set_mtu(std::uint32_t mtu) override { return set_link_mtu(interface_, mtu); }
  Status add_address(const InterfaceAddress& address) override {
    return hawser::add_address(interface_, address.address, address.prefix_len);
  }
  Status remove_address(const InterfaceAddress& address) override {
    return hawser::remove_address(interface_, address.address, address.prefix_len);
  }
  Status add_route(const Prefix& prefix) override { return hawser::add_route(interface_, prefix); }
  Status remove_route(const Prefix& prefix) override {
    return hawser::remove_route(interface_, prefix);
  }

 private:
  std::string interface_;
};

template <class T>
bool contains(const std::vector<T>& list, const T& item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

}  // namespace

InterfaceSettings InterfaceSettings::of(const HostPlan& plan) {
  return {plan.interface.addresses, plan.added_routes(), plan.interface.mtu};
}

std::unique_ptr<InterfacePort> make_netlink_port(const std::string& interface) {
  return std::make_unique<NetlinkPort>(interface);
}

InterfaceSetup::InterfaceSetup(std::unique_ptr<InterfacePort> port, LogSink log)
    : port_(std::move(port)), log_(std::move(log)) {}

InterfaceSetup::~InterfaceSetup() { reduce({}); }

Status InterfaceSetup::extend(const InterfaceSettings& wanted) {
  const InterfaceSettings before = have_;
  Status added = add_all(wanted);
  if (added) return added;
  reduce(before);
  // An address that gave way to itself with another length.
  for (const InterfaceAddress& address : before.addresses) {
    if (!contains(have_.addresses, address)) warn(add_address(address));
  }
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
    if (Status up = port_->bring_up(); !up) {
      is_up_ = false;
      return up;
    }
  }
  for (const Prefix& route : wanted.routes) {
    if (contains(have_.routes, route)) continue;
    if (Status added = port_->add_route(route); !added) return added;
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
  std::erase_if(have_.routes, [&](const Prefix& route) {
    if (contains(wanted.routes, route)) return false;
    warn(port_->remove_route(route));
    return true;
  });
  std::erase_if(have_.addresses, [&](const InterfaceAddress& address) {
    if (contains(wanted.addresses, address)) return false;
    warn(port_->remove_address(address));
    return true;
  });
}

void InterfaceSetup::warn(const Status& status) const {
  // An interface that is gone has taken everything with it.
  if (!status && status.error().code != ENODEV && log_) {
    log_(LogLevel::kWarning, status.error().message);
  }
}

}  // namespace hawser
