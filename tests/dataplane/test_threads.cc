// Several packet paths, the handshake thread and a control thread at once, over a network in
// memory. Bounded work; its worth is in the thread sanitizer.
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "base/wire.h"
#include "dataplane/worker.h"
#include "noise/aead.h"
#include "tests/dataplane/pair.h"

namespace hawser::testing {
namespace {

// A clock that all threads share; the test moves it.
class SharedClock : public Clock {
 public:
  Now now() override { return later(kStart, Duration(passed_.load())); }
  void advance(Duration by) { passed_ += by.count(); }

 private:
  std::atomic<std::int64_t> passed_{0};
};

// A source that threads may share, as the system's.
class LockedRandom : public RandomSource {
 public:
  explicit LockedRandom(std::uint64_t seed) : random_(seed) {}
  void fill(std::span<std::uint8_t> out) override {
    const std::lock_guard lock(mutex_);
    random_.fill(out);
  }

 private:
  std::mutex mutex_;
  SeededRandom random_;
};

class MemoryEngine;

// Which engines stand for which address; a node's datagrams go to its engines in turn.
class MemoryNetwork {
 public:
  void attach(const Endpoint& at, MemoryEngine* engine);
  void carry(const Endpoint& from, const Endpoint& to, Packet bytes);

 private:
  struct Place {
    Endpoint at;
    std::vector<MemoryEngine*> engines;
    std::size_t next = 0;
  };
  std::mutex mutex_;
  std::vector<Place> places_;
};

class MemoryEngine : public Engine {
 public:
  MemoryEngine(MemoryNetwork& network, const Endpoint& at) : network_(network), at_(at) {}

  void wait(InBatch& in, Duration timeout) override {
    in.clear();
    buffers_.clear();
    std::unique_lock lock(mutex_);
    // Virtual time does not pass while we sleep, so sleep is short.
    woken_.wait_for(lock, std::min<Duration>(timeout, 1ms),
                    [this] { return wake_ || !arrived_.empty(); });
    wake_ = false;
    while (!arrived_.empty() && buffers_.size() < 16) {
      buffers_.push_back(std::move(arrived_.front()));
      arrived_.pop_front();
    }
    for (Arrival& arrival : buffers_) {
      const auto len = static_cast<std::uint32_t>(arrival.bytes.size());
      if (arrival.from_tun) {
        in.tun_packets.push_back({arrival.bytes.data(), len, {}});
      } else {
        in.trains.push_back({arrival.bytes.data(), len, len, arrival.from, 0});
      }
    }
  }
  void submit(OutBatch& out) override {
    for (const UdpSend& send : out.udp()) {
      Packet bytes;
      for (const iovec& slice : out.slices(send)) {
        const auto* const data = static_cast<const std::uint8_t*>(slice.iov_base);
        bytes.insert(bytes.end(), data, data + slice.iov_len);
      }
      for (std::size_t at = 0; at < bytes.size(); at += send.segment_len) {
        const std::size_t len = std::min<std::size_t>(send.segment_len, bytes.size() - at);
        const auto first = bytes.begin() + static_cast<std::ptrdiff_t>(at);
        network_.carry(at_, send.to, Packet(first, first + static_cast<std::ptrdiff_t>(len)));
      }
    }
    for (const TunWrite& write : out.tun()) {
      if (write.len > 0) ++delivered;
    }
  }
  void rest(Duration) override {}
  void wake() override {
    const std::lock_guard lock(mutex_);
    wake_ = true;
    woken_.notify_one();
  }

  void arrive(const Endpoint& from, Packet bytes, bool from_tun) {
    const std::lock_guard lock(mutex_);
    if (arrived_.size() < 1000) arrived_.push_back({from, std::move(bytes), from_tun});
    woken_.notify_one();
  }

  std::atomic<std::uint64_t> delivered{0};

 private:
  struct Arrival {
    Endpoint from;
    Packet bytes;
    bool from_tun = false;
  };
  MemoryNetwork& network_;
  Endpoint at_;
  std::mutex mutex_;
  std::condition_variable woken_;
  bool wake_ = false;
  std::deque<Arrival> arrived_;
  std::deque<Arrival> buffers_;
};

void MemoryNetwork::attach(const Endpoint& at, MemoryEngine* engine) {
  for (Place& place : places_) {
    if (place.at.same_remote(at)) {
      place.engines.push_back(engine);
      return;
    }
  }
  places_.push_back({at, {engine}});
}

void MemoryNetwork::carry(const Endpoint& from, const Endpoint& to, Packet bytes) {
  MemoryEngine* engine = nullptr;
  {
    const std::lock_guard lock(mutex_);
    for (Place& place : places_) {
      if (place.at.same_remote(to)) engine = place.engines[place.next++ % place.engines.size()];
    }
  }
  if (engine != nullptr) engine->arrive(from, std::move(bytes), false);
}

// A device with two workers and its handshake loop.
class Station {
 public:
  Station(MemoryNetwork& network, Clock& clock, std::uint64_t key, const Endpoint& at,
          DeviceOptions options)
      : random_(key),
        device(std::move(options), random_),
        handshake_engine_(network, at),
        handshake_path_(device, make_aead(AeadKind::kBoringSsl), TunFeatures{true, true}),
        handshakes_(device, handshake_path_, handshake_engine_, clock) {
    device.set_handshake_waker([this] { handshake_engine_.wake(); });
    for (int i = 0; i < 2; ++i) {
      engines.push_back(std::make_unique<MemoryEngine>(network, at));
      network.attach(at, engines.back().get());
      paths_.push_back(std::make_unique<PacketPath>(device, make_aead(AeadKind::kBoringSsl),
                                                    TunFeatures{true, true}));
      workers_.push_back(std::make_unique<Worker>(*paths_.back(), *engines.back(), clock));
    }
    DeviceChange change;
    change.private_key = make_private_key(key);
    (void)device.apply(std::move(change), clock.now());
  }
  void start() {
    threads_.emplace_back([this] { handshakes_.run(); });
    for (const auto& worker : workers_) threads_.emplace_back([&worker] { worker->run(); });
  }
  void stop() {
    handshakes_.stop();
    for (const auto& worker : workers_) worker->stop();
    for (std::thread& thread : threads_) thread.join();
  }
  std::uint64_t delivered() const {
    return engines[0]->delivered.load() + engines[1]->delivered.load();
  }

 private:
  LockedRandom random_;

 public:
  Device device;
  std::vector<std::unique_ptr<MemoryEngine>> engines;

 private:
  MemoryEngine handshake_engine_;
  PacketPath handshake_path_;
  HandshakeLoop handshakes_;
  std::vector<std::unique_ptr<PacketPath>> paths_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::thread> threads_;
};

DeviceChange meet(std::uint64_t key, const char* allowed, const Endpoint& at) {
  DeviceChange change;
  change.peers.push_back(peer_change(make_private_key(key).derive_public(), {prefix(allowed)}, at));
  return change;
}

TEST(Threads, TrafficHandshakesAndChangesAtOnce) {
  SharedClock clock;
  MemoryNetwork network;
  const Endpoint at_hub = endpoint("192.0.2.1", 1);
  const Endpoint at_a = endpoint("192.0.2.2", 2);
  const Endpoint at_b = endpoint("192.0.2.3", 3);
  DeviceOptions direct;
  direct.forward = ForwardMode::kDirect;
  direct.own_addresses = {address("10.0.0.1")};
  Station hub(network, clock, 1, at_hub, direct);
  Station a(network, clock, 2, at_a, {});
  Station b(network, clock, 3, at_b, {});
  ASSERT_TRUE(hub.device.apply(meet(2, "10.0.0.2/32", at_a), clock.now()).ok());
  ASSERT_TRUE(hub.device.apply(meet(3, "10.0.0.3/32", at_b), clock.now()).ok());
  ASSERT_TRUE(a.device.apply(meet(1, "0.0.0.0/0", at_hub), clock.now()).ok());
  ASSERT_TRUE(b.device.apply(meet(1, "0.0.0.0/0", at_hub), clock.now()).ok());
  for (Station* station : {&hub, &a, &b}) station->start();

  const Packet a_to_b = make_packet(
      {.source = address("10.0.0.2"), .destination = address("10.0.0.3"), .payload_len = 500});
  const Packet b_to_a = make_packet(
      {.source = address("10.0.0.3"), .destination = address("10.0.0.2"), .payload_len = 500});
  for (unsigned round = 0; round < 300 || (round < 20'000 && b.delivered() < 200); ++round) {
    for (std::size_t i = 0; i < 2; ++i) {
      a.engines[i]->arrive({}, a_to_b, true);
      b.engines[i]->arrive({}, b_to_a, true);
    }
    // A peer that nobody hears of comes and goes, prefixes move, the interface blinks.
    if (round % 4 == 0) {
      ASSERT_TRUE(hub.device.apply(meet(50 + round % 7, "10.9.0.0/16", at_a), clock.now()).ok());
    }
    if (round % 4 == 2) {
      DeviceChange gone;
      gone.peers.push_back(peer_change(make_private_key(50 + round % 7).derive_public(), {}));
      gone.peers.back().remove = true;
      ASSERT_TRUE(hub.device.apply(std::move(gone), clock.now()).ok());
    }
    if (round % 50 == 25) {
      DeviceChange again;  // b anew, under traffic
      again.peers.push_back(peer_change(make_private_key(3).derive_public(), {}));
      again.peers.back().remove = true;
      again.peers.push_back(std::move(meet(3, "10.0.0.3/32", at_b).peers[0]));
      ASSERT_TRUE(hub.device.apply(std::move(again), clock.now()).ok());
    }
    if (round % 97 == 96) {
      hub.device.set_up(false, clock.now());
      hub.device.set_up(true, clock.now());
      hub.device.forget_sources();
    }
    if (round % 10 == 9) {
      HostRoutes routes;
      routes.routes = {Prefix(address("10.64.0.0"), 10 + round % 20)};
      hub.device.set_host_routes(routes);
    }
    (void)hub.device.view(clock.now().boot);
    (void)hub.device.counters();
    clock.advance(round % 3 == 0 ? Duration(1s) : Duration(50ms));
    // Give way: what was asked for is to happen at this moment of virtual time.
    std::this_thread::sleep_for(200us);
  }
  for (Station* station : {&hub, &a, &b}) station->stop();
  EXPECT_GE(b.delivered(), 200U);
  EXPECT_GT(hub.device.counters().relayed_packets, 0U);
}

}  // namespace
}  // namespace hawser::testing
