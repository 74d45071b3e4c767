#pragma once
#include <boost/asio/io_context.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/log_sink.h"
#include "base/random_source.h"
#include "base/result.h"
#include "ctl/control_target.h"
#include "ctl/device_control.h"
#include "ctl/network_file.h"
#include "ctl/options.h"
#include "ctl/service_notify.h"
#include "dataplane/device.h"
#include "tun/netlink_config.h"
#include "tun/tunnel_state.h"

namespace hawser {

// Reads the network that `options` name (options.network is set) and derives this host's plan. What
// the command line says of the interface (--mtu, --listen-port) goes before what the file says.
Result<LoadedPlan> load_network_plan(const DaemonOptions& options);

// Takes into `options` what the plan says and the command line did not: interface, MTU, port; and a
// controller forwards directly. An interface name that contradicts the plan is an error.
Status adopt_plan(DaemonOptions& options, const HostPlan& plan);

// NetworkMode keeps a host the way its network's plan wants it: interface, peers, host names,
// endpoints. It stands before the DeviceControl as the control socket's target. Control thread.
class NetworkMode : public ControlTarget {
 public:
  struct Parts {
    boost::asio::io_context& io;  // all of these outlive it
    Device& device;
    DeviceControl& control;
    Clock& clock;
    RandomSource& random;
    const ServiceNotify& service;
    std::optional<Link> link;  // the TUN device; nullopt: none
    DaemonOptions options;
    LogSink log;
    // Reads what netlink has told by now; it comes back to see(). Empty: nobody follows netlink.
    std::function<void()> look;
  };

  // `running`: the plan whose peers the device has got already (ctl/plan_change.h).
  NetworkMode(Parts parts, LoadedPlan running);
  ~NetworkMode() override;  // NOLINT(bugprone-exception-escape): see there
  NetworkMode(const NetworkMode&) = delete;
  NetworkMode& operator=(const NetworkMode&) = delete;

  // Addresses, routes, host names. When it fails, what it did is undone with the object.
  Status set_up();
  // From now on names are resolved, and unconfirmed reloads taken back. Needs the io_context.
  void start();
  // Takes host names, addresses and routes away. Again is harmless.
  void stop();
  // What the interface has now; from then on what it lacks is put back.
  void see(const TunnelState& seen);
  // Are there peers to be told that this host stops, and another controller for them to turn to?
  bool has_goodbyes() const;
  // For SIGHUP: what reload() refuses is logged.
  void reload_on_signal();

  Status set(DeviceChange change) override;
  DeviceView get() override;
  std::string status() override;
  Status reload(std::optional<std::uint32_t> confirm_seconds) override;
  Status confirm() override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace hawser
