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
  path_.receive(in_.trains, now, out_);
  path_.send(in_.tun_packets, now, out_);
  engine_.submit(out_, path_.observer());
  path_.end();
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
  while (!stop_.load(std::memory_order_acquire)) {
    run_posted();
    const Now now = clock_.now();
    out_.clear();
    const HandshakeTurn turn = device_.run_handshakes(now, out_);
    if (!out_.empty()) engine_.submit(out_, device_.handshake_observer());
    device_.end_turn();
    if (turn.more) continue;
    const Duration wait = turn.next_deadline ? *turn.next_deadline - clock_.now().boot : kIdleWait;
    engine_.wait(in_, std::clamp(wait, Duration::zero(), kIdleWait));
  }
  run_posted();
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
