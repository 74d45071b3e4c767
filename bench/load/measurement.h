#pragma once
#include <cstdint>
#include <vector>

#include "base/result.h"
#include "bench/load/packet_pool.h"
#include "bench/load/peer_group.h"
#include "bench/load/process_meter.h"
#include "bench/load/train_receiver.h"
#include "bench/load/train_sender.h"

namespace hawser::load {

// How packets are offered.
struct OfferedLoad {
  // > 0: open loop, that many packets a second, whatever arrives. 0: as many as possible, with at
  // most `window` packets sent and not yet arrived (one train may always be).
  double packets_per_second = 0;
  std::uint32_t window = 0;

  bool is_open_loop() const { return packets_per_second > 0; }
};

// Tally is what a measurement has found, over all its rounds. Times are those of the rounds alone:
// sealing and waiting between them do not count.
struct Tally {
  std::uint32_t rounds = 0;
  std::int64_t elapsed_ns = 0;  // from the first send of a round to its last arrival
  std::uint64_t sent = 0;       // packets
  std::uint64_t sent_trains = 0;
  std::uint64_t send_calls = 0;
  ReceiveCounts received;          // of this measurement
  std::int64_t own_cpu_ns = 0;     // the generator's
  std::int64_t target_cpu_ns = 0;  // of the process under test
  UdpCounts target_udp;
  std::uint64_t stalls = 0;  // times that a full window saw no arrival for kStallTime
  MachineTime machine;
  std::vector<std::int64_t> latencies;  // open loop only; nanoseconds, sorted

  double seconds() const { return static_cast<double>(elapsed_ns) / 1e9; }
  double packets_per_second() const;
  double loss() const;  // 0 … 1
};

// Without an arrival for this long a full window is given up as lost.
inline constexpr std::int64_t kStallTime = 50'000'000;

// Measurement offers the pool's packets round after round: seal them all, send them all, wait for
// the last one.
class Measurement {
 public:
  Measurement(PeerGroup& peers, PacketPool& pool, Aead& aead, const ProcessMeter& target);

  // At least `duration_ns` of rounds. A run is warmed up by one round that does not count.
  Result<Tally> run(const OfferedLoad& load, std::int64_t duration_ns);

 private:
  Status seal_and_settle();
  Status round(const OfferedLoad& load, std::int64_t time_left, Tally& tally);
  Status offer(const OfferedLoad& load, std::int64_t start, std::int64_t time_left, Tally& tally);
  // How many of the trains from `first` on may go out now, with one call.
  std::size_t num_sendable(const OfferedLoad& load, std::int64_t start, std::size_t first) const;
  std::int64_t due(const OfferedLoad& load, std::int64_t start, std::size_t train) const;
  void note_arrivals(std::int64_t timeout_ns, Tally& tally);
  void drain();

  PeerGroup& peers_;
  PacketPool& pool_;
  Aead& aead_;
  const ProcessMeter& target_;
  TrainSender sender_;
  TrainReceiver receiver_;
  std::vector<std::int64_t> sent_at_;  // of each train; when it was due
  std::uint64_t in_flight_ = 0;
  std::int64_t last_progress_ = 0;
};

}  // namespace hawser::load
