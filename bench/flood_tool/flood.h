#pragma once
#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "base/random_source.h"
#include "base/result.h"
#include "bench/flood_tool/hostile_packets.h"
#include "routing/endpoint.h"

namespace hawser::flood {

// How packets are sent: so many a second, whatever happens.
struct FloodSettings {
  std::string network_namespace;
  Endpoint target;  // IPv4
  double packets_per_second = 0;
  std::int64_t duration_ns = 0;
  // Sources are random addresses of this /16 (10.200.0.0: any 10.200.x.y), which has to be local
  // there. Unspecified: one source, the namespace's own.
  IpAddress spoofed_net;
};

struct FloodResult {
  std::uint64_t sent = 0;
  std::uint64_t skipped = 0;  // due while the flooder did not get a processor
  std::int64_t elapsed_ns = 0;
};

// Sends `packets` over and over, until the time is up or `stop`.
Result<FloodResult> flood(const FloodSettings& settings, const std::vector<Packet>& packets,
                          const std::atomic<bool>& stop, RandomSource& random);

}  // namespace hawser::flood
