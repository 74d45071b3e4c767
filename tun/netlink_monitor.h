#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "dataplane/host_routes.h"
#include "tun/tunnel_state.h"

namespace hawser {

// What became of the watched interface and of the host's routes since the last read.
struct LinkState {
  bool deleted = false;
  bool up = false;  // IFF_UP
  std::uint32_t mtu = 0;
};
struct NetlinkChanges {
  std::optional<LinkState> link;  // set when anything of it changed
  // Set when addresses or routes changed: what changed of the routes since the last time, or all
  // that there are, where that is not known.
  std::optional<HostRoutes> routes;
  std::optional<TunnelState> tunnel;         // set when anything of it changed: all of it
  std::vector<IpAddress> removed_addresses;  // of the namespace where the UDP sockets live
};

// NetlinkMonitor follows (libmnl) one TUN interface: MTU, up and down, deletion, and the addresses
// and routes of the namespace it is in. When the interface is moved to another network namespace,
// it follows it there (TUNGETDEVNETNS names the namespace). The UDP sockets' namespace is the one
// that the monitor was made in: its addresses are those of our outer packets. A change costs what
// it changes, whatever the number of routes. One thread's.
class NetlinkMonitor {
 public:
  // `tun_fd` -1: no interface, only addresses and routes of this namespace.
  static Result<std::unique_ptr<NetlinkMonitor>> open(const std::string& interface, int tun_fd);
  virtual ~NetlinkMonitor() = default;

  // Becomes readable when read() has something to do; stays the same for the monitor's life (an
  // epoll descriptor over its netlink sockets).
  virtual int fd() const = 0;
  // Never blocks. Overruns (ENOBUFS) are answered by a fresh dump.
  virtual Result<NetlinkChanges> read() = 0;
};

}  // namespace hawser
