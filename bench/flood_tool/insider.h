#pragma once
#include <memory>
#include <string>

#include "base/random_source.h"
#include "base/result.h"
#include "bench/load/peer_plan.h"
#include "bench/load/tunnel_peer.h"
#include "routing/endpoint.h"

namespace hawser::flood {

// connect_insider shakes hands with the controller as peer A of pair `pair`, cookies included, and
// confirms the session. Takes a few seconds at most.
Result<std::unique_ptr<load::TunnelPeer>> connect_insider(const load::PeerPlan& plan,
                                                          std::size_t pair,
                                                          const std::string& network_namespace,
                                                          const Endpoint& controller,
                                                          RandomSource& random);

}  // namespace hawser::flood
