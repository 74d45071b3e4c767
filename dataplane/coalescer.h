#pragma once
#include <array>
#include <cstdint>
#include <span>

#include "dataplane/train.h"
#include "routing/ip_packet.h"

namespace hawser {

// What the TUN device takes in writes; probed by tun/ at start.
struct TunFeatures {
  bool tso = false;  // TCP super-packets, both families
  bool uso = false;  // UDP super-packets (Linux 6.2)
};

// Coalescer merges consecutive TCP or UDP segments of a flow into super-packets for TUN (what GRO
// does in the kernel). Packets stay where they are: a merged write is a list of slices, the first
// packet whole and the others' payloads; only the first one's headers are rewritten.
//
// Merged are only packets whose headers could be made again from the super-packet by
// segmentation: same 5-tuple, traffic class, hop limit, TCP options and ACK, consecutive sequence
// numbers, equal payload sizes (the last may be shorter), IPv4 without options and fragments with
// DF set (or consecutive identification), no IPv6 extension headers, no flags but ACK and PSH
// (PSH ends the run). UDP: equal sizes, a non-zero checksum. The transport checksum of every
// packet is verified before it is merged; one that is wrong goes out alone and untouched, for the
// host to judge. Order within a flow is kept; the number of open flows is bounded
// (kMaxCoalescedFlows; the oldest is written first).
//
// One worker's; a run lasts at most one batch.
class Coalescer {
 public:
  explicit Coalescer(TunFeatures features) : features_(features) {}

  // `packet`: one IP packet trimmed to its length, in memory that outlives the batch. Returns how
  // many packets were dropped because `out` had no room (the caller counts them).
  [[nodiscard]] std::uint32_t add(OutBatch& out, std::span<std::uint8_t> packet,
                                  const IpHeader& header);

  // Writes out all open runs; returns drops as add() does. Call at the end of each batch.
  [[nodiscard]] std::uint32_t flush(OutBatch& out);

 private:
  struct Flow;
  struct FlowStorage;
  TunFeatures features_;
  // … the implementer completes the private part
};

}  // namespace hawser
