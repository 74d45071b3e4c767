#pragma once
#include <cstdint>
#include <memory>
#include <span>

#include "dataplane/limits.h"
#include "dataplane/train.h"
#include "routing/ip_packet.h"

namespace hawser {

// A run's packets behind its first one, over all open runs. What one batch brings at most; when it
// is used up before the batch is over, all runs are written and it is empty again.
inline constexpr std::size_t kMaxCoalescedPackets = kMaxTrainsPerBatch * kMaxTrainSegments;
// Segments in a TCP super-packet: one slice each, and one is left for the virtio-net header.
inline constexpr std::uint32_t kMaxTcpSuperSegments = kMaxSlicesPerWrite - 1;
// Segments in a UDP super-packet: what the kernel's own GRO builds at most (UDP_GRO_CNT_MAX), so
// what receivers with UDP_GRO are known to take.
inline constexpr std::uint32_t kMaxUdpSuperSegments = 64;
// The longest super-packet: what IPv4's length field can say, kept for IPv6 too.
inline constexpr std::uint32_t kMaxSuperPacketLen = 65535;

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
  explicit Coalescer(TunFeatures features);
  ~Coalescer();
  Coalescer(const Coalescer&) = delete;
  Coalescer& operator=(const Coalescer&) = delete;

  // `packet`: one IP packet trimmed to its length, in memory that outlives the batch. Returns how
  // many packets were dropped because `out` had no room (the caller counts them).
  [[nodiscard]] std::uint32_t add(OutBatch& out, std::span<std::uint8_t> packet,
                                  const IpHeader& header);

  // Writes out all open runs; returns drops as add() does. Call at the end of each batch.
  [[nodiscard]] std::uint32_t flush(OutBatch& out);

 private:
  struct Segment;  // a packet, and what its headers say about merging it
  struct Run;      // of packets that will be written as one
  struct Storage;  // all runs, and the packets behind the first of each

  static Segment classify(std::span<std::uint8_t> packet, const IpHeader& header);
  std::uint32_t add_to_run(OutBatch& out, Run& run, const Segment& segment);
  std::uint32_t open_run(OutBatch& out, const Segment& segment);
  std::uint32_t write_run(OutBatch& out, Run& run);
  std::uint32_t write_runs_between_hosts_of(OutBatch& out, const Segment& segment);

  TunFeatures features_;
  std::unique_ptr<Storage> storage_;
};

}  // namespace hawser
