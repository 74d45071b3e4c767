#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "dataplane/coalescer.h"
#include "tun/unique_fd.h"

namespace hawser {

// An interface name as the kernel takes it: 1–15 bytes, no '/', no space, not "." or "..".
Status check_interface_name(std::string_view name);

// TunDevice is a TUN interface with virtio-net headers and one queue for each worker. Closing the
// last queue removes the interface.
class TunDevice {
 public:
  // Creates the interface (IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE), sets the MTU and
  // the offloads (TSO, and USO where the kernel has it), and probes that offload writes work.
  // Errors name the remedy: no /dev/net/tun, no permission, name taken.
  static Result<TunDevice> create(const std::string& name, std::size_t num_queues,
                                  std::uint32_t mtu);
  // Takes over a descriptor that somebody else opened (WG_TUN_FD), with IFF_NO_PI: one queue, with
  // or without virtio-net headers as TUNGETIFF tells.
  static Result<TunDevice> adopt(UniqueFd fd);

  const std::string& name() const { return name_; }
  int queue(std::size_t i) const { return queues_[i].get(); }
  std::size_t num_queues() const { return queues_.size(); }
  bool has_vnet_header() const { return has_vnet_header_; }
  TunFeatures features() const { return features_; }

 private:
  std::string name_;
  std::vector<UniqueFd> queues_;
  bool has_vnet_header_ = true;
  TunFeatures features_;
};

}  // namespace hawser
