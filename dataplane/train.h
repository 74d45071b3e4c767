#pragma once
// What goes in and out of the data plane. The unit of work is the train: equal-sized segments in
// one buffer (the last may be shorter), one remote endpoint.
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/time.h"
#include "dataplane/limits.h"
#include "routing/endpoint.h"

namespace hawser {

class Peer;

// ReceivedTrain is what one recvmsg with UDP GRO delivered. The memory is lent by the engine,
// writable, and good until the next Engine::wait().
struct ReceivedTrain {
  std::uint8_t* data = nullptr;
  std::uint32_t len = 0;
  std::uint32_t segment_len = 0;   // = len for a lone datagram; every segment but the last has it
  Endpoint remote;                 // with the local address and interface that it arrived at
  std::uint8_t traffic_class = 0;  // outer DSCP and ECN

  // An empty datagram is one too.
  std::uint32_t num_datagrams() const {
    const std::uint32_t each = std::max<std::uint32_t>(1, segment_len);
    return std::max<std::uint32_t>(1, (len + each - 1) / each);
  }
};

// TunOffload is a virtio-net header (virtio 1.2 §5.1.6) in host terms.
struct TunOffload {
  // kUdp: USO, both families. kUnknown: a type that we did not ask for; the packet is refused.
  enum class Gso : std::uint8_t { kNone, kTcpV4, kTcpV6, kUdp, kUnknown };
  Gso gso = Gso::kNone;
  bool needs_checksum = false;   // checksum at csum_start + csum_offset holds the pseudo header
  bool ecn = false;              // TCP segments with ECN (VIRTIO_NET_HDR_GSO_ECN)
  std::uint16_t header_len = 0;  // of all headers; a hint from the kernel, exact from us
  std::uint16_t segment_payload = 0;  // gso_size: payload bytes in each segment but the last
  std::uint16_t csum_start = 0;
  std::uint16_t csum_offset = 0;
};

// TunPacket is what one read of a TUN queue delivered: an IP packet or super-packet.
struct TunPacket {
  std::uint8_t* data = nullptr;
  std::uint32_t len = 0;
  TunOffload offload;
};

// InBatch is what one Engine::wait() delivers. Capacity is reserved once.
struct InBatch {
  InBatch() {
    trains.reserve(kMaxTrainsPerBatch);
    tun_packets.reserve(kMaxTunPacketsPerBatch);
  }
  void clear() {
    trains.clear();
    tun_packets.clear();
  }
  std::vector<ReceivedTrain> trains;   // in order of arrival
  std::vector<TunPacket> tun_packets;  // in order of arrival
};

// UdpSend is one train to send: slices in order, cut into datagrams of segment_len.
struct UdpSend {
  Endpoint to;
  std::uint32_t first_slice = 0;
  std::uint32_t num_slices = 0;
  std::uint32_t len = 0;           // all slices together
  std::uint32_t segment_len = 0;   // ≥ len: a lone datagram
  std::uint8_t traffic_class = 0;  // outer DSCP and ECN
  bool gso_refused = false;        // this destination takes single datagrams only
  Peer* peer = nullptr;            // whose counters and endpoint the outcome concerns; may be null
};

// What became of a UdpSend when it did not simply succeed.
struct UdpOutcome {
  bool gso_refused = false;     // EIO, EINVAL or EMSGSIZE with GSO: it was sent again as singles
  bool source_refused = false;  // the sticky source no longer works: it was sent again without
  int error = 0;                // errno of the last attempt; 0: sent after all
  std::uint32_t num_sent = 0;   // with an error: datagrams that had left one by one before it
};

// TunWrite is one packet or coalesced super-packet for TUN.
struct TunWrite {
  std::uint32_t first_slice = 0;
  std::uint32_t num_slices = 0;
  std::uint32_t len = 0;
  TunOffload offload;
};

// What became of sends and writes that did not simply succeed.
struct UdpReport {
  const UdpSend* send = nullptr;
  UdpOutcome outcome;
};
struct TunFailure {
  const TunWrite* write = nullptr;
  int error = 0;  // errno
};

// OutBatch is what the data plane wants written, and, once it was submitted, what became of it.
// Slices point into the InBatch's buffers or into the batch's own arena. Nothing here allocates
// after construction; what does not fit is dropped and counted by whoever asked. One thread's.
class OutBatch {
 public:
  OutBatch() : arena_(std::make_unique_for_overwrite<std::uint8_t[]>(kOutArenaLen)) {
    slices_.reserve(kMaxSlicesPerBatch);
    udp_.reserve(kMaxSendsPerBatch);
    tun_.reserve(kMaxSendsPerBatch);
    udp_reports_.reserve(kMaxSendsPerBatch);
    tun_failures_.reserve(kMaxSendsPerBatch);
  }

  void clear() {
    slices_.clear();
    udp_.clear();
    tun_.clear();
    udp_reports_.clear();
    tun_failures_.clear();
    arena_used_ = 0;
  }
  bool empty() const { return udp_.empty() && tun_.empty(); }

  // `len` bytes that live until clear(); null when the arena is full.
  std::uint8_t* allocate(std::size_t len) {
    if (len > kOutArenaLen - arena_used_) return nullptr;
    std::uint8_t* const place = arena_.get() + arena_used_;
    arena_used_ += len;
    return place;
  }
  std::size_t arena_left() const { return kOutArenaLen - arena_used_; }

  bool has_room(std::size_t num_slices) const {
    // Each slice may become a send of its own.
    return slices_.size() + num_slices <= kMaxSlicesPerBatch &&
           udp_.size() + num_slices <= kMaxSendsPerBatch && tun_.size() < kMaxSendsPerBatch;
  }
  // Slices are added first, then the UdpSend or TunWrite that names them. has_room() was asked.
  std::uint32_t num_slices() const { return static_cast<std::uint32_t>(slices_.size()); }
  void add_slice(std::uint8_t* data, std::size_t len) { slices_.push_back({data, len}); }
  void add_udp(const UdpSend& send) { udp_.push_back(send); }
  void add_tun(const TunWrite& write) { tun_.push_back(write); }

  // Appends the last slice to the last send, as its next segment. Both are there and belong
  // together, and the slice is as long as a segment.
  void join_last_udp() {
    UdpSend& last = udp_.back();
    assert(last.first_slice + last.num_slices + 1 == slices_.size());
    assert(slices_.back().iov_len == last.segment_len);
    ++last.num_slices;
    last.len += last.segment_len;
  }

  std::span<const UdpSend> udp() const { return udp_; }
  std::span<const TunWrite> tun() const { return tun_; }
  std::span<iovec> slices(std::uint32_t first, std::uint32_t num) {
    assert(first + num <= slices_.size());
    return std::span(slices_).subspan(first, num);
  }
  std::span<iovec> slices(const UdpSend& send) { return slices(send.first_slice, send.num_slices); }
  std::span<iovec> slices(const TunWrite& write) {
    return slices(write.first_slice, write.num_slices);
  }

  // The engine's, while it submits: each send and write of this batch once at most.
  void report(const UdpSend& send, const UdpOutcome& outcome) {
    assert(udp_reports_.size() < udp_.size());
    udp_reports_.push_back({&send, outcome});
  }
  void report_failure(const TunWrite& write, int error) {
    assert(tun_failures_.size() < tun_.size());
    tun_failures_.push_back({&write, error});
  }
  std::span<const UdpReport> udp_reports() const { return udp_reports_; }
  std::span<const TunFailure> tun_failures() const { return tun_failures_; }

 private:
  std::vector<iovec> slices_;
  std::vector<UdpSend> udp_;
  std::vector<TunWrite> tun_;
  std::vector<UdpReport> udp_reports_;
  std::vector<TunFailure> tun_failures_;
  std::unique_ptr<std::uint8_t[]> arena_;
  std::size_t arena_used_ = 0;
};

// Batch is what each step of a packet's way works with: when it is, and where to put what goes out.
struct Batch {
  Now now;
  OutBatch& out;
};

}  // namespace hawser
