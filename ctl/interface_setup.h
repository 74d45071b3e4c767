#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/log_sink.h"
#include "base/result.h"
#include "mesh/plan.h"
#include "routing/ip_address.h"

namespace hawser {

// What a plan asks of the host's network beside peers.
struct InterfaceSettings {
  std::vector<InterfaceAddress> addresses;
  std::vector<Prefix> routes;  // that the addresses do not bring by themselves
  std::uint32_t mtu = 0;       // 0: as it is

  static InterfaceSettings of(const HostPlan& plan);
};

// InterfacePort is the kernel's side of one interface; tests have their own.
class InterfacePort {
 public:
  virtual ~InterfacePort() = default;
  virtual Status bring_up() = 0;
  virtual Status set_mtu(std::uint32_t mtu) = 0;
  virtual Status add_address(const InterfaceAddress& address) = 0;
  virtual Status remove_address(const InterfaceAddress& address) = 0;
  virtual Status add_route(const Prefix& prefix) = 0;
  virtual Status remove_route(const Prefix& prefix) = 0;
};
// Through netlink (tun/netlink_config.h), in the calling thread's network namespace.
std::unique_ptr<InterfacePort> make_netlink_port(const std::string& interface);

// InterfaceSetup keeps the addresses, routes and MTU of one interface as a plan wants them. It only
// takes away what it added. A change has two halves, so that whatever else the change touches can
// fail between them: extend() to what is new, and then reduce() to what is wanted, or back. Control
// thread.
class InterfaceSetup {
 public:
  InterfaceSetup(std::unique_ptr<InterfacePort> port, LogSink log);
  // Takes everything away that is still there; for an interface that outlives us.
  ~InterfaceSetup();
  InterfaceSetup(const InterfaceSetup&) = delete;
  InterfaceSetup& operator=(const InterfaceSetup&) = delete;

  // Adds what `wanted` has and is not there, in the order MTU, addresses, link up, routes. On
  // failure all is as it was.
  Status extend(const InterfaceSettings& wanted);
  // Removes what `wanted` has not. What the kernel refuses is logged, and no longer ours.
  void reduce(const InterfaceSettings& wanted);

 private:
  Status add_all(const InterfaceSettings& wanted);
  Status add_address(const InterfaceAddress& address);
  void warn(const Status& status) const;

  std::unique_ptr<InterfacePort> port_;
  LogSink log_;
  bool is_up_ = false;
  InterfaceSettings have_;
};

}  // namespace hawser
