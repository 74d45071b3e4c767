#pragma once
#include <cstdint>
#include <string>

#include "base/result.h"

namespace hawser::limit {

// One end of the bridge: a TUN interface, made inside a network namespace ("": ours).
struct BridgeEnd {
  std::string network_namespace;
  std::string interface;
};

// run_tun_bridge makes both interfaces, with the offloads that the daemon uses, and writes into
// each what it reads from the other: super-packets as they are, in one thread. Returns only when
// something fails; ends with the process.
Error run_tun_bridge(const BridgeEnd& a, const BridgeEnd& b, std::uint32_t mtu);

}  // namespace hawser::limit
