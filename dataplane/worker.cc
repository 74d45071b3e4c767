#include "dataplane/worker.h"

#include <algorithm>
#include <utility>

namespace hawser {
namespace {

// wake() ends a wait; this only bounds how late a missed one would be noticed.
constexpr Duration kIdleWait = std::chrono::seconds(3600);

std::vector<std::function<void()>> take(std::mutex& mutex,
                                        std::vector<std::function<void()>>& from) {
  const std::lock_guard lock(mutex);
  return std::exchange(from, {});
}

}  // namespace

void Worker::run() {
  while (!stop_.load(std::memory_order_acquire)) run_once(kIdleWait);
  run_posted();
}

void Worker::run_once(Duration timeout) {
  // Before the wait: the engine holds nothing of a batch then.
  if (has_posted_.exchange(false, std::memory_order_acq_rel)) run_posted();
  engine_.wait(in_, timeout);
  if (in_.trains.empty() && in_.tun_packets.empty()) return;
  const Now now = clock_.now();
  out_.clear();
  path_.begin();
  path_.receive(in_.trains, {now, out_});
  path_.send(in_.tun_packets, {now, out_});
  engine_.submit(out_);
  path_.end(out_);
  if (out_.empty() && in_.tun_packets.empty()) {
    note_barren(now.boot);
  } else {
    num_barren_ = 0;
  }
}

// A flood of forged or replayed transport data would wake us for nearly each of its packets, and
// the wakes cost more than the packets.
void Worker::note_barren(Instant now) {
  const bool often = last_barren_ && now - *last_barren_ < kOftenBarren;
  num_barren_ = often ? num_barren_ + 1 : 1;
  last_barren_ = now;
  if (num_barren_ >= kBarrenBatches) engine_.rest(kBarrenRest);
}

void Worker::stop() {
  stop_.store(true, std::memory_order_release);
  engine_.wake();
}

void Worker::post(std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    posted_.push_back(std::move(task));
  }
  has_posted_.store(true, std::memory_order_release);
  engine_.wake();
}

void Worker::run_posted() {
  for (const auto& task : take(mutex_, posted_)) task();
}

void HandshakeLoop::run() {
  Duration wait = Duration::zero();
  while (!stop_.load(std::memory_order_acquire)) {
    run_posted();
    wait = run_once(wait);
  }
  run_posted();
}

Duration HandshakeLoop::run_once(Duration timeout) {
  const bool received = receive(timeout);
  const Now now = clock_.now();
  out_.clear();
  const HandshakeTurn turn = device_.run_handshakes({now, out_});
  if (!out_.empty()) engine_.submit(out_);
  device_.end_turn(out_);
  if (turn.more) return Duration::zero();
  if (received) rest_if_often(now);
  const Duration wait = turn.next_deadline ? *turn.next_deadline - clock_.now().boot : kIdleWait;
  return std::clamp(wait, Duration::zero(), kIdleWait);
}

// All that has arrived, so that the rule that tells when we are under load sees it, up to half a
// queue: what cannot be handled anyway costs least where it is, in the socket's buffer.
bool HandshakeLoop::receive(Duration timeout) {
  std::size_t num = 0;
  while (num < kReceivedPerTurn &&
         (num == 0 || device_.num_queued_handshakes() < kReceivedPerTurn)) {
    engine_.wait(in_, num == 0 ? timeout : Duration::zero());
    if (in_.trains.empty()) break;
    // Datagrams, not trains: one train may hold 64 messages.
    for (const ReceivedTrain& train : in_.trains) num += train.num_datagrams();
    out_.clear();
    path_.begin();
    path_.receive(in_.trains, {clock_.now(), out_});
    if (!out_.empty()) engine_.submit(out_);
    path_.end_before_handshakes(out_);
  }
  return num > 0;
}

void HandshakeLoop::rest_if_often(const Now& now) {
  if (last_received_ && now.boot - *last_received_ < kOftenReceived) {
    engine_.rest(kHandshakeRest);
  }
  last_received_ = now.boot;
}

void HandshakeLoop::stop() {
  stop_.store(true, std::memory_order_release);
  engine_.wake();
}

void HandshakeLoop::post(std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    posted_.push_back(std::move(task));
  }
  engine_.wake();
}

void HandshakeLoop::run_posted() {
  for (const auto& task : take(mutex_, posted_)) task();
}

}  // namespace hawser
