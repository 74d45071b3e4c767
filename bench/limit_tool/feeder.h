#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/result.h"
#include "bench/load/process_meter.h"
#include "routing/endpoint.h"

namespace hawser::limit {

// How the bare forwarder is fed: packets of `len` bytes in GSO trains from namespace A, and back at
// namespace B, with at most `window` of them on their way (one train may always be).
struct Feed {
  std::string namespace_a;
  std::string namespace_b;
  Endpoint forwarder_a;  // as A sees it
  Endpoint forwarder_b;
  std::size_t len = 0;  // UDP payload
  std::size_t window = 0;
  std::int64_t duration_ns = 0;
};

struct FeedResult {
  std::int64_t elapsed_ns = 0;
  std::uint64_t sent = 0;
  std::uint64_t arrived = 0;  // packets
  std::uint64_t reads = 0;    // trains that they arrived in
  std::uint64_t stalls = 0;
  std::int64_t target_cpu_ns = 0;
  load::UdpCounts target_udp;
};

// Fails if nothing comes through.
Result<FeedResult> feed(const Feed& how, const load::ProcessMeter& target);

}  // namespace hawser::limit
