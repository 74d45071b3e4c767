#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/log_sink.h"
#include "base/result.h"
#include "ctl/control_target.h"
#include "ctl/status_report.h"
#include "dataplane/device.h"
#include "tun/udp_sockets.h"

namespace hawser {

// Gives every engine the sockets of `fresh` and returns when none of them refers to the old ones
// any more (or keeps `old` alive until then).
using SocketExchange =
    std::function<void(const UdpSocketGroup& fresh, std::shared_ptr<const UdpSocketGroup> old)>;

// DeviceControl makes one transaction of what a set asks of the device and of the UDP sockets: new
// sockets are opened first (steered where the old ones are: the engines hang on it), then the
// change is applied, then the engines exchange their sockets. If any of it fails, everything is as
// it was. An unchanged port is not rebound, an unchanged fwmark not set again. Control thread.
class DeviceControl : public ControlTarget {
 public:
  // `device` and `clock` outlive it. `default_port` is what the operator wants when a set names no
  // port (listen_port=0): --listen-port's, or 0 for a random one. `sockets` have been opened for
  // `num_workers` with default_port and `fwmark`; the device is told of both.
  DeviceControl(Device& device, Clock& clock, std::shared_ptr<const UdpSocketGroup> sockets,
                std::uint16_t default_port, std::uint32_t fwmark, SocketExchange exchange);

  Status set(DeviceChange change) override;
  DeviceView get() override { return device_.view(clock_.now().boot); }
  std::string status() override;
  // The device's, and what the kernel dropped at its sockets.
  DeviceCounters counters() const;

  // Everything of the status that the device does not know itself; `facts` may change.
  StatusFacts& facts() { return facts_; }
  const UdpSocketGroup& sockets() const { return *sockets_; }

 private:
  // Is the port that we have what `wanted` asks for? 0 asks for any: the one we have will do unless
  // it was chosen by an earlier set.
  bool port_is_as_wanted(std::uint16_t wanted) const;
  Status set_with_new_sockets(DeviceChange change, std::uint16_t wanted, std::uint32_t fwmark);
  Status set_with_new_mark(DeviceChange change, std::uint32_t fwmark);

  Device& device_;
  Clock& clock_;
  std::shared_ptr<const UdpSocketGroup> sockets_;
  std::uint64_t num_overflows_before_ = 0;  // at sockets that we had before
  std::uint16_t default_port_;
  bool port_was_set_ = false;
  std::uint32_t fwmark_;
  SocketExchange exchange_;
  StatusFacts facts_;
};

}  // namespace hawser
