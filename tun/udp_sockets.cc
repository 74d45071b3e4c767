#include "tun/udp_sockets.h"

#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <optional>
#include <utility>

#include "routing/endpoint.h"
#include "tun/errno_error.h"
#include "tun/handshake_steering.h"
#include "tun/socket_address.h"

namespace hawser {
namespace {

constexpr int kRandomPortAttempts = 100;
// Some 5 ms of 10 Gbit/s: what may arrive while a worker is busy with a batch, or was not
// scheduled.
constexpr int kSocketBufferLen = 8 << 20;

bool enable(int fd, int level, int option, int value = 1) {
  return setsockopt(fd, level, option, &value, sizeof value) == 0;
}

void set_buffer(int fd, int forced, int plain) {
  // Without CAP_NET_ADMIN the size is cut to net.core.rmem_max or wmem_max.
  if (!enable(fd, SOL_SOCKET, forced, kSocketBufferLen)) {
    enable(fd, SOL_SOCKET, plain, kSocketBufferLen);
  }
}

Status set_mark(int fd, std::uint32_t fwmark) {
  if (setsockopt(fd, SOL_SOCKET, SO_MARK, &fwmark, sizeof fwmark) == 0) return {};
  const int error = errno;
  if (error == EPERM) {
    return Error{"fwmark " + std::to_string(fwmark) +
                     " needs CAP_NET_ADMIN; run with that capability, or without fwmark",
                 error};
  }
  return errno_error("SO_MARK", error);
}

// Options that make a socket ours but for its place in the group. What an old kernel lacks is done
// without, except for what the wire behaviour hangs on.
Status set_options(int fd, IpFamily family, std::uint32_t fwmark) {
  const bool v4 = family == IpFamily::kV4;
  if (!v4 && !enable(fd, IPPROTO_IPV6, IPV6_V6ONLY)) return errno_error("IPV6_V6ONLY", errno);
  const bool has_source =
      v4 ? enable(fd, IPPROTO_IP, IP_PKTINFO) : enable(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO);
  if (!has_source) return errno_error(v4 ? "IP_PKTINFO" : "IPV6_RECVPKTINFO", errno);
  if (v4) {
    enable(fd, IPPROTO_IP, IP_RECVTOS);
    // Outer packets carry no DF and may be fragmented, here or on the way, as the kernel module's:
    // what they hold has its own path MTU, and nobody would hear an ICMP error about the outer one.
    enable(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
  } else {
    enable(fd, IPPROTO_IPV6, IPV6_RECVTCLASS);
    enable(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT);
  }
  enable(fd, SOL_UDP, UDP_GRO);  // Linux 5.0
  set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF);
  set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF);
  if (fwmark != 0) return set_mark(fd, fwmark);
  return {};
}

bool is_absent_family(int error) { return error == EAFNOSUPPORT || error == EPROTONOSUPPORT; }

Status bind_any(int fd, IpFamily family, std::uint16_t port) {
  Endpoint any;
  any.address.family = family;
  any.port = port;
  SocketAddress address{};
  const socklen_t len = to_socket_address(address, any);
  if (bind(fd, &address.any, len) == 0) return {};
  return errno_error("bind to UDP port " + std::to_string(port), errno);
}

std::uint16_t port_of(int fd) {
  SocketAddress address{};
  socklen_t len = sizeof address;
  Endpoint bound;
  if (getsockname(fd, &address.any, &len) < 0) return 0;
  return from_socket_address(bound, &address, len) ? bound.port : std::uint16_t{0};
}

// `num` sockets on one port of one family; empty on a host without the family.
//
// The first is bound alone, so that it fails if anybody at all has the port (with SO_REUSEPORT on
// both sides a bind would succeed, and the two would share the traffic). Then it opens the group,
// which the others join.
Result<std::vector<UniqueFd>> open_family(IpFamily family, std::size_t num, std::uint16_t port,
                                          std::uint32_t fwmark) {
  std::vector<UniqueFd> sockets;
  const int domain = family == IpFamily::kV4 ? AF_INET : AF_INET6;
  for (std::size_t i = 0; i < num; ++i) {
    UniqueFd fd(socket(domain, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP));
    if (!fd && is_absent_family(errno)) return std::vector<UniqueFd>{};
    if (!fd) return errno_error("UDP socket", errno);
    if (Status set = set_options(fd.get(), family, fwmark); !set) return set.error();
    const bool joins = i > 0;
    if (joins && !enable(fd.get(), SOL_SOCKET, SO_REUSEPORT)) {
      return errno_error("SO_REUSEPORT", errno);
    }
    if (Status bound = bind_any(fd.get(), family, port); !bound) return bound.error();
    // A lone socket stays closed to company.
    if (!joins && num > 1 && !enable(fd.get(), SOL_SOCKET, SO_REUSEPORT)) {
      return errno_error("SO_REUSEPORT", errno);
    }
    port = port_of(fd.get());
    sockets.push_back(std::move(fd));
  }
  return sockets;
}

// Of one family; the socket behind the workers' is taken out of the list, also where the kernel
// cannot steer.
Status steer(UniqueFd& handshakes, std::vector<UniqueFd>& sockets, IpFamily family) {
  if (sockets.empty()) return {};
  handshakes = std::move(sockets.back());
  sockets.pop_back();
  return steer_handshakes(handshakes.get(), family, sockets.size());
}

// Of both families, or of none.
Status steer_both(UdpSocketPair& handshakes, std::vector<UniqueFd>& v4, std::vector<UniqueFd>& v6) {
  Status steered = steer(handshakes.v4, v4, IpFamily::kV4);
  Status steered_v6 = steer(handshakes.v6, v6, IpFamily::kV6);
  if (steered) steered = std::move(steered_v6);
  // Without its last member the group shares everything among the workers.
  if (!steered) handshakes = UdpSocketPair{};
  return steered;
}

Result<UdpSocketGroup> open_both(std::size_t num_workers, std::uint16_t port, std::uint32_t fwmark,
                                 Steering steering) {
  const bool apart = steering != Steering::kNone;
  const std::size_t num = num_workers + (apart ? 1 : 0);
  Result<std::vector<UniqueFd>> v4 = open_family(IpFamily::kV4, num, port, fwmark);
  if (!v4) return v4.error();
  if (!v4->empty()) port = port_of(v4->front().get());
  Result<std::vector<UniqueFd>> v6 = open_family(IpFamily::kV6, num, port, fwmark);
  if (!v6) return v6.error();
  if (!v6->empty()) port = port_of(v6->front().get());
  if (v4->empty() && v6->empty()) {
    return Error{"this host has neither IPv4 nor IPv6", EAFNOSUPPORT};
  }
  UdpSocketGroup group;
  group.port = port;
  if (apart) {
    const Status steered = steer_both(group.handshakes, *v4, *v6);
    if (!steered && steering == Steering::kHandshakesApartOrFail) {
      return Error{"UDP port " + std::to_string(port) +
                       ": handshakes cannot be kept apart from transport data as they are now (" +
                       steered.error().message + "); start the daemon anew to change the port",
                   steered.error().code};
    }
  }
  group.workers.resize(num_workers);
  for (std::size_t i = 0; i < num_workers; ++i) {
    if (!v4->empty()) group.workers[i].v4 = std::move((*v4)[i]);
    if (!v6->empty()) group.workers[i].v6 = std::move((*v6)[i]);
  }
  return group;
}

std::uint64_t count_overflows(const UdpSocketPair& pair) {
  std::uint64_t sum = 0;
  for (const UniqueFd* const fd : {&pair.v4, &pair.v6}) {
    std::array<std::uint32_t, SK_MEMINFO_VARS> info{};
    socklen_t len = sizeof info;
    if (fd->valid() && getsockopt(fd->get(), SOL_SOCKET, SO_MEMINFO, info.data(), &len) == 0) {
      sum += info[SK_MEMINFO_DROPS];
    }
  }
  return sum;
}

Status change_marks(const UdpSocketPair& pair, std::uint32_t fwmark) {
  for (const UniqueFd* const fd : {&pair.v4, &pair.v6}) {
    if (!fd->valid()) continue;
    std::uint32_t current = 0;
    socklen_t len = sizeof current;
    // Setting what is already set must not ask for a privilege.
    if (getsockopt(fd->get(), SOL_SOCKET, SO_MARK, &current, &len) == 0 && current == fwmark) {
      continue;
    }
    if (Status set = set_mark(fd->get(), fwmark); !set) return set;
  }
  return {};
}

Error port_in_use(std::uint16_t port) {
  const std::string holder = find_port_holder(port);
  return Error{"listen-port " + std::to_string(port) + " is in use" +
                   (holder.empty() ? "" : " by " + holder) + "; choose another with --listen-port",
               EADDRINUSE};
}

}  // namespace

Result<UdpSocketGroup> open_udp_sockets(std::size_t num_workers, std::uint16_t port,
                                        std::uint32_t fwmark, Steering steering) {
  for (int attempt = 1;; ++attempt) {
    Result<UdpSocketGroup> group = open_both(num_workers, port, fwmark, steering);
    if (group.ok() || group.error().code != EADDRINUSE) return group;
    if (port != 0) return port_in_use(port);
    // The port that the kernel chose for IPv4 is taken in IPv6.
    if (attempt == kRandomPortAttempts) return group;
  }
}

Status set_fwmark(const UdpSocketGroup& group, std::uint32_t fwmark) {
  for (const UdpSocketPair& pair : group.workers) {
    if (Status set = change_marks(pair, fwmark); !set) return set;
  }
  return change_marks(group.handshakes, fwmark);
}

std::uint64_t count_overflows(const UdpSocketGroup& group) {
  std::uint64_t sum = count_overflows(group.handshakes);
  for (const UdpSocketPair& pair : group.workers) sum += count_overflows(pair);
  return sum;
}

}  // namespace hawser
