#include "bench/load/measurement.h"

#include <algorithm>
#include <utility>

#include "bench/load/clock.h"

namespace hawser::load {
namespace {

// Between two looks at a full window, so that a stall is noticed.
constexpr std::int64_t kWindowWait = 5'000'000;
// After a round, until what is on its way can be taken for lost.
constexpr std::int64_t kDrainTime = 100'000'000;

ReceiveCounts difference(const ReceiveCounts& now, const ReceiveCounts& before) {
  ReceiveCounts counts = now;
  counts.packets -= before.packets;
  counts.reads -= before.reads;
  counts.calls -= before.calls;
  counts.control -= before.control;
  counts.foreign -= before.foreign;
  counts.reordered -= before.reordered;
  counts.opened -= before.opened;
  counts.unopenable -= before.unopenable;
  for (std::size_t i = 0; i < counts.faults.size(); ++i) counts.faults[i] -= before.faults[i];
  return counts;
}

}  // namespace

double Tally::packets_per_second() const {
  return elapsed_ns > 0 ? static_cast<double>(received.packets) / seconds() : 0;
}

double Tally::loss() const {
  if (sent == 0 || received.packets >= sent) return 0;
  return 1 - static_cast<double>(received.packets) / static_cast<double>(sent);
}

Measurement::Measurement(PeerGroup& peers, PacketPool& pool, Aead& aead, const ProcessMeter& target)
    : peers_(peers),
      pool_(pool),
      aead_(aead),
      target_(target),
      sender_(peers, pool),
      receiver_(peers, pool, aead),
      sent_at_(pool.trains().size()) {}

Result<Tally> Measurement::run(const OfferedLoad& load, std::int64_t duration_ns) {
  Tally warm_up;
  Status status = seal_and_settle();
  if (status) status = round(load, duration_ns / 4, warm_up);
  if (!status) return status.error();

  Tally tally;
  receiver_.time_against(load.is_open_loop() ? &sent_at_ : nullptr);
  receiver_.take_latencies();
  const ReceiveCounts before = receiver_.counts();
  const MachineTime machine_before = machine_time();
  while (tally.elapsed_ns < duration_ns) {
    status = seal_and_settle();
    if (status) status = round(load, duration_ns - tally.elapsed_ns, tally);
    if (!status) return status.error();
  }
  receiver_.time_against(nullptr);
  tally.received = difference(receiver_.counts(), before);
  const MachineTime machine_after = machine_time();
  tally.machine = {machine_after.total - machine_before.total,
                   machine_after.steal - machine_before.steal};
  tally.latencies = receiver_.take_latencies();
  std::sort(tally.latencies.begin(), tally.latencies.end());
  return tally;
}

Status Measurement::seal_and_settle() {
  Status status = peers_.keep_alive(aead_);
  if (status) status = pool_.seal(aead_);
  while (receiver_.receive(0) > 0) {
  }
  return status;
}

Status Measurement::round(const OfferedLoad& load, std::int64_t time_left, Tally& tally) {
  std::fill(sent_at_.begin(), sent_at_.end(), 0);
  in_flight_ = 0;
  const UdpCounts udp_before = target_.udp();
  const std::int64_t target_before = target_.cpu_ns();
  const std::int64_t own_before = own_cpu_ns();
  const std::int64_t start = monotonic_ns();
  last_progress_ = start;
  Status status = offer(load, start, time_left, tally);
  drain();
  tally.elapsed_ns += std::max(receiver_.last_arrival(), start + 1) - start;
  tally.own_cpu_ns += own_cpu_ns() - own_before;
  tally.target_cpu_ns += target_.cpu_ns() - target_before;
  tally.target_udp += target_.udp() - udp_before;
  ++tally.rounds;
  return status;
}

Status Measurement::offer(const OfferedLoad& load, std::int64_t start, std::int64_t time_left,
                          Tally& tally) {
  const std::span<const Train> trains = pool_.trains();
  for (std::size_t next = 0; next < trains.size();) {
    if (monotonic_ns() - start > time_left) break;
    const std::size_t num = num_sendable(load, start, next);
    if (num > 0) {
      const std::uint64_t calls_before = sender_.calls();
      for (std::size_t i = next; i < next + num; ++i) {
        sent_at_[i] = due(load, start, i);
        in_flight_ += trains[i].num;
        tally.sent += trains[i].num;
      }
      Status status = sender_.send(trains.subspan(next, num));
      if (!status) return status;
      tally.send_calls += sender_.calls() - calls_before;
      tally.sent_trains += num;
      next += num;
    }
    std::int64_t timeout = 0;
    if (num == 0) {
      timeout = load.is_open_loop() ? std::clamp<std::int64_t>(
                                          due(load, start, next) - monotonic_ns(), 0, kWindowWait)
                                    : kWindowWait;
    }
    note_arrivals(timeout, tally);
  }
  return {};
}

std::int64_t Measurement::due(const OfferedLoad& load, std::int64_t start,
                              std::size_t train) const {
  if (!load.is_open_loop()) return start;
  const double seconds = pool_.trains()[train].first / load.packets_per_second;
  return start + static_cast<std::int64_t>(seconds * 1e9);
}

std::size_t Measurement::num_sendable(const OfferedLoad& load, std::int64_t start,
                                      std::size_t first) const {
  const std::span<const Train> trains = pool_.trains();
  const std::int64_t now = load.is_open_loop() ? monotonic_ns() : 0;
  std::uint64_t in_flight = in_flight_;
  std::size_t at = first;
  for (; at < trains.size() && at - first < kMaxTrainsPerSend; ++at) {
    if (trains[at].pair != trains[first].pair) break;
    if (load.is_open_loop()) {
      if (due(load, start, at) > now) break;
      continue;
    }
    if (in_flight > 0 && in_flight + trains[at].num > load.window) break;
    in_flight += trains[at].num;
  }
  return at - first;
}

void Measurement::note_arrivals(std::int64_t timeout_ns, Tally& tally) {
  const std::uint32_t arrived = receiver_.receive(timeout_ns);
  if (arrived > 0) {
    in_flight_ -= std::min<std::uint64_t>(in_flight_, arrived);
    last_progress_ = receiver_.last_arrival();
    return;
  }
  if (timeout_ns == 0 || monotonic_ns() - last_progress_ < kStallTime) return;
  if (in_flight_ > 0) ++tally.stalls;
  in_flight_ = 0;
  last_progress_ = monotonic_ns();
}

void Measurement::drain() {
  const std::int64_t begin = monotonic_ns();
  last_progress_ = begin;
  while (in_flight_ > 0) {
    const std::uint32_t arrived = receiver_.receive(kWindowWait);
    in_flight_ -= std::min<std::uint64_t>(in_flight_, arrived);
    if (arrived > 0) last_progress_ = receiver_.last_arrival();
    if (monotonic_ns() - last_progress_ > kDrainTime) break;
  }
}

}  // namespace hawser::load
