#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/log_sink.h"
#include "base/result.h"
#include "network/plan.h"
#include "tun/netlink_config.h"
#include "tun/tunnel_state.h"

namespace hawser {

// What a plan asks of the host's network beside peers.
struct InterfaceSettings {
  std::vector<InterfaceAddress> addresses;
  std::vector<TunnelRoute> routes;  // that the addresses do not bring by themselves
  std::uint32_t mtu = 0;            // 0: as it is
  std::vector<PolicyRule> rules;    // that lead to the routes of an exit

  // Without rules: those of an exit depend on more than the plan (ctl/exit_routing.h).
  static InterfaceSettings of(const HostPlan& plan);
};

// InterfaceLack is what of some settings is not there, the MTU aside: whoever changes that means
// it, and the device follows.
struct InterfaceLack {
  std::vector<InterfaceAddress> addresses;
  std::vector<TunnelRoute> routes;
  std::vector<PolicyRule> rules;

  // Of an interface that is down, nothing: it has been set down on purpose. A way that addresses
  // bring by themselves is lacking when somebody removed it all the same.
  static InterfaceLack find(const InterfaceSettings& wanted, const TunnelState& seen);
  bool empty() const { return addresses.empty() && routes.empty() && rules.empty(); }
  // "address fd00::1/56", "route 192.168.7.0/24", "rule 7201 for IPv4"
  std::vector<std::string> items() const;
};

// InterfacePort is the kernel's side of one interface; tests have their own.
class InterfacePort {
 public:
  virtual ~InterfacePort() = default;
  // It has this index from now on.
  virtual void follow(std::uint32_t ifindex) = 0;
  virtual Status bring_up() = 0;
  virtual Status set_mtu(std::uint32_t mtu) = 0;
  virtual Status add_address(const InterfaceAddress& address) = 0;
  virtual Status remove_address(const InterfaceAddress& address) = 0;
  virtual Status add_route(const TunnelRoute& route) = 0;
  virtual Status replace_route(const TunnelRoute& route) = 0;  // another source
  virtual Status remove_route(const TunnelRoute& route) = 0;
  virtual Status add_rule(const PolicyRule& rule) = 0;
  virtual Status remove_rule(const PolicyRule& rule) = 0;
  virtual Status remove_leftovers() = 0;  // the rules of a daemon that was killed
};
// Through netlink (tun/netlink_config.h), in the calling thread's network namespace.
std::unique_ptr<InterfacePort> make_netlink_port(const Link& link);

// InterfaceSetup keeps the addresses, routes and MTU of one interface as a plan wants them. It only
// takes away what it added. A change has two halves, so that whatever else the change touches can
// fail between them: extend() to what is new, and then reduce() to what is wanted, or back. Of an
// interface that is in another network namespace it leaves all but the rules alone. Control thread.
class InterfaceSetup {
 public:
  InterfaceSetup(std::unique_ptr<InterfacePort> port, LogSink log);
  // Takes everything away that is still there; for an interface that outlives us.
  ~InterfaceSetup();
  InterfaceSetup(const InterfaceSetup&) = delete;
  InterfaceSetup& operator=(const InterfaceSetup&) = delete;

  // Adds what `wanted` has and is not there, in the order MTU, addresses, link up, routes, rules.
  // On failure all is as it was. The link is brought up once; when it is down afterwards there are
  // no routes.
  Status extend(const InterfaceSettings& wanted);
  // Removes what `wanted` has not. What the kernel refuses is logged, and no longer ours.
  void reduce(const InterfaceSettings& wanted);

  // What the kernel has now: what others removed is no longer there for extend() and reduce(). An
  // interface that is back gets the MTU that extend() was to give it meanwhile.
  void see(const TunnelState& seen);
  // Adds what is lacking, as much as possible. The first error, if any.
  Status put_back(const InterfaceLack& lack);

 private:
  Status add_all(const InterfaceSettings& wanted);
  Status add_routes(const std::vector<TunnelRoute>& wanted);
  Status add_address(const InterfaceAddress& address);
  Status add_route(const TunnelRoute& route);
  void catch_up();
  void warn(const Status& status) const;

  std::unique_ptr<InterfacePort> port_;
  LogSink log_;
  bool is_up_ = false;    // it was brought up
  bool is_down_ = false;  // and somebody set it down
  bool is_moved_ = false;
  std::uint32_t missed_mtu_ = 0;  // while it was moved; 0: none
  InterfaceSettings have_;
};

}  // namespace hawser
