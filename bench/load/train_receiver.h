#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "bench/load/packet_pool.h"
#include "bench/load/peer_group.h"
#include "noise/aead.h"
#include "tun/unique_fd.h"

namespace hawser::load {

// What has arrived, since the receiver was made.
struct ReceiveCounts {
  std::uint64_t packets = 0;    // data, by the number of segments
  std::uint64_t reads = 0;      // trains
  std::uint64_t calls = 0;      // recvmmsg
  std::uint64_t control = 0;    // keepalives, handshake messages
  std::uint64_t foreign = 0;    // not for this session, or no WireGuard message
  std::uint64_t reordered = 0;  // a counter or a number not above the last one of its pair
  std::uint64_t opened = 0;     // the sample: decrypted and looked at
  std::uint64_t unopenable = 0;
  std::array<std::uint64_t, kNumInnerFaults> faults{};  // by InnerFault; [kNone] are the good ones
};

// TrainReceiver takes what comes out at side B, with GRO. To leave the processor to the one who is
// measured it copies only the beginning of a train (MSG_TRUNC tells the whole length), looks at the
// header of its first packet, and opens a sample: of every 16th train the first packet, of every
// 256th all.
class TrainReceiver {
 public:
  TrainReceiver(PeerGroup& peers, const PacketPool& pool, Aead& aead);
  ~TrainReceiver();

  // Sees to everything that is there; if nothing is, waits up to `timeout_ns` for something.
  // Returns the number of data packets.
  std::uint32_t receive(std::int64_t timeout_ns);
  const ReceiveCounts& counts() const { return counts_; }
  // When something last arrived.
  std::int64_t last_arrival() const { return last_arrival_; }

  // With a table of when each train was (to be) sent, opens the first packet of every train and
  // notes how long it took. Null: stops that.
  void time_against(const std::vector<std::int64_t>* sent_at) { sent_at_ = sent_at; }
  // The times noted since the last call, nanoseconds, in order of arrival.
  std::vector<std::int64_t> take_latencies();

 private:
  struct Slots;
  struct Progress {
    std::uint64_t next_counter = 0;
    std::uint64_t next_number = 0;
    std::uint32_t local_index = 0;
  };

  std::uint32_t read_socket(std::size_t pair);
  std::uint32_t take(std::size_t pair, std::size_t slot);
  void sample(std::size_t pair, std::uint8_t* segment, std::size_t len);
  void note_latency(std::uint32_t index);

  PeerGroup& peers_;
  const PacketPool& pool_;
  Aead& aead_;
  UniqueFd epoll_;
  std::unique_ptr<Slots> slots_;
  std::vector<Progress> progress_;  // of each pair
  ReceiveCounts counts_;
  std::int64_t last_arrival_ = 0;
  const std::vector<std::int64_t>* sent_at_ = nullptr;
  std::vector<std::int64_t> latencies_;
};

}  // namespace hawser::load
