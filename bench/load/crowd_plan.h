#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "bench/load/peer_plan.h"

namespace hawser::load {

enum class ConfigFormat : std::uint8_t {
  kSetconf,  // for `wg setconf`
  kUapi,     // a set request for the control socket
};

// CrowdPlan is a controller's configuration with many peers and many allowed IPs. Peer n is that of
// PeerPlan: of side A where n is even, B where it is odd, number n / 2.
class CrowdPlan {
 public:
  // `num_allowed_ips` each. The first two are the host addresses of PeerPlan, IPv4 and IPv6; the
  // others are in turns an IPv4 /32 in 64.0.0.0/2 and an IPv6 /64 in fc00::/8, all over these.
  CrowdPlan(std::uint64_t seed, std::size_t num_peers, std::size_t num_allowed_ips);

  static Identity peer(const PeerPlan& plan, std::size_t n);
  // Peers have no endpoint: they are the ones that call.
  std::string config(ConfigFormat format, std::uint16_t listen_port) const;

 private:
  std::string to_setconf(std::uint16_t listen_port) const;
  std::string to_uapi(std::uint16_t listen_port) const;

  PeerPlan plan_;
  std::vector<PublicKey> keys_;
  std::vector<std::vector<Prefix>> allowed_ips_;
};

}  // namespace hawser::load
