// A device with many peers and many allowed IPs: what one change costs inside, without the control
// socket; and how long single lookups take in its table.
#include <benchmark/benchmark.h>
#include <time.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <random>
#include <vector>

#include "bench/micro/counting_random.h"
#include "dataplane/device.h"
#include "dataplane/device_state.h"
#include "dataplane/session_table.h"
#include "routing/allowed_ips.h"

namespace hawser::bench {
namespace {

constexpr std::size_t kNumPeers = 10'000;
constexpr std::size_t kAllowedIpsEach = 100;
constexpr std::size_t kNumLookups = std::size_t{1} << 18;

Now a_second_later(std::int64_t second) {
  return {.boot = Instant(std::chrono::seconds(second)), .wall = {1'700'000'000 + second, 0}};
}

PublicKey key_of(std::size_t number) {
  PublicKey key;
  std::mt19937_64 random(number);
  for (std::uint8_t& byte : key.bytes) byte = static_cast<std::uint8_t>(random());
  return key;
}

Prefix random_prefix(std::mt19937_64& random) {
  IpAddress address;
  const bool v4 = random() % 2 == 0;
  address.family = v4 ? IpFamily::kV4 : IpFamily::kV6;
  for (std::size_t i = 0; i < address.size(); ++i) {
    address.bytes[i] = static_cast<std::uint8_t>(random());
  }
  return {address, v4 ? 32U : 64U};
}

// The device, and what it was given.
struct BigDevice {
  BigDevice() : device(DeviceOptions{}, random) {
    std::mt19937_64 choose(1);
    for (std::size_t n = 0; n < kNumPeers; ++n) {
      PeerChange peer;
      peer.public_key = key_of(n);
      for (std::size_t i = 0; i < kAllowedIpsEach; ++i) {
        prefixes.push_back(random_prefix(choose));
        peer.allowed_ips.push_back({prefixes.back(), false});
      }
      whole.peers.push_back(std::move(peer));
    }
  }

  // The change that makes all of it; a second time it changes nothing.
  DeviceChange copy_of_whole() const {
    DeviceChange change;
    change.replace_peers = true;
    for (const PeerChange& peer : whole.peers) {
      PeerChange& copy = change.peers.emplace_back();
      copy.public_key = peer.public_key;
      copy.allowed_ips = peer.allowed_ips;
    }
    return change;
  }
  bool apply(DeviceChange change) { return bool(device.apply(std::move(change), now)); }
  // What the handshake thread does after a change: peers that it asked for, what is retired.
  void turn() {
    out.clear();
    device.run_handshakes({now, out});
    device.end_turn(out);
  }

  CountingRandom random;
  Device device;
  Now now = a_second_later(1000);
  OutBatch out;
  DeviceChange whole;
  std::vector<Prefix> prefixes;
};

BigDevice& big_device() {
  static const std::unique_ptr<BigDevice> made = [] {
    auto device = std::make_unique<BigDevice>();
    device->apply(device->copy_of_whole());
    device->turn();
    return device;
  }();
  return *made;
}

double clock_seconds(clockid_t clock = CLOCK_MONOTONIC) {
  timespec at{};
  ::clock_gettime(clock, &at);
  return static_cast<double>(at.tv_sec) + static_cast<double>(at.tv_nsec) / 1e9;
}

void report_percentiles(benchmark::State& state, std::vector<double>& times) {
  if (times.empty()) return;
  std::sort(times.begin(), times.end());
  const auto at = [&](double part) {
    return times[static_cast<std::size_t>(part * static_cast<double>(times.size() - 1))];
  };
  state.counters["p50"] = at(0.5);
  state.counters["p99"] = at(0.99);
  state.counters["max"] = at(1);
}

// Each iteration makes a change and takes it back: two changes, each timed by itself.
void time_changes(benchmark::State& state, DeviceChange (*make)(std::size_t n, bool back)) {
  BigDevice& big = big_device();
  std::mt19937_64 random(5);
  std::vector<double> times;
  for (auto _ : state) {
    const std::size_t n = random() % kNumPeers;
    for (const bool back : {false, true}) {
      DeviceChange change = make(n, back);
      const double begin = clock_seconds();
      const bool applied = big.apply(std::move(change));
      times.push_back(clock_seconds() - begin);
      if (!applied) return state.SkipWithError("refused");
      big.turn();
    }
  }
  report_percentiles(state, times);
}

DeviceChange change_allowed_ip(std::size_t n, bool back) {
  DeviceChange change;
  PeerChange& peer = change.peers.emplace_back();
  peer.public_key = key_of(n);
  std::mt19937_64 random(n + 1'000'000'000);
  peer.allowed_ips.push_back({random_prefix(random), back});
  return change;
}

DeviceChange change_peer(std::size_t n, bool back) {
  DeviceChange change;
  PeerChange& peer = change.peers.emplace_back();
  peer.public_key = key_of(n + 1'000'000'000);
  std::mt19937_64 random(n + 1'000'000'000);
  if (!back) peer.allowed_ips.push_back({random_prefix(random), false});
  peer.remove = back;
  return change;
}

BENCHMARK_CAPTURE(time_changes, allowed_ip, change_allowed_ip)->Name("scale_change_allowed_ip");
BENCHMARK_CAPTURE(time_changes, peer, change_peer)->Name("scale_change_peer");

// The whole table into an empty device.
void load_device(benchmark::State& state) {
  for (auto _ : state) {
    state.PauseTiming();
    auto fresh = std::make_unique<BigDevice>();
    DeviceChange change = fresh->copy_of_whole();
    state.ResumeTiming();
    if (!fresh->apply(std::move(change))) return state.SkipWithError("refused");
    state.PauseTiming();
    fresh.reset();
    state.ResumeTiming();
  }
}
BENCHMARK(load_device)->Name("scale_load")->Unit(benchmark::kMillisecond);

// The same again: nothing changes.
void load_device_again(benchmark::State& state) {
  BigDevice& big = big_device();
  for (auto _ : state) {
    state.PauseTiming();
    DeviceChange change = big.copy_of_whole();
    state.ResumeTiming();
    if (!big.apply(std::move(change))) return state.SkipWithError("refused");
  }
}
BENCHMARK(load_device_again)->Name("scale_load_again")->Unit(benchmark::kMillisecond);

// A session comes and the oldest one goes, as with each handshake of many peers. "max" is the time
// in which the table is made anew, which nobody but the handshake thread waits for; processor time,
// for a busy machine would hide it.
void replace_sessions(benchmark::State& state) {
  constexpr std::size_t kNumSessions = 2 * kNumPeers;
  QuiescentDomain domain;
  SessionTable table(domain);
  std::deque<std::unique_ptr<Keypair>> sessions;
  std::mt19937 random(3);
  const auto insert = [&] {
    SessionKeys keys;
    do {
      keys.local_index = static_cast<std::uint32_t>(random());
    } while (table.lookup(keys.local_index) != nullptr);
    sessions.push_back(std::make_unique<Keypair>(std::move(keys), Instant{}, nullptr));
    return table.insert(sessions.back().get());
  };
  while (sessions.size() < kNumSessions) {
    if (!insert()) return state.SkipWithError("taken");
  }
  std::vector<double> times;
  for (auto _ : state) {
    const double begin = clock_seconds(CLOCK_THREAD_CPUTIME_ID);
    if (!insert()) return state.SkipWithError("taken");
    table.erase(sessions.front().get());
    times.push_back(clock_seconds(CLOCK_THREAD_CPUTIME_ID) - begin);
    sessions.pop_front();
    domain.reclaim();
  }
  report_percentiles(state, times);
}
BENCHMARK(replace_sessions)->Iterations(200'000)->Name("scale_replace_session");

// An address within a random prefix of the table, or beside one.
IpAddress pick_address(const BigDevice& big, bool hit, std::mt19937_64& random) {
  for (;;) {
    const Prefix& prefix = big.prefixes[random() % big.prefixes.size()];
    IpAddress address = prefix.address();
    const unsigned last = prefix.length() - 1;
    if (!hit) address.bytes[last / 8] ^= static_cast<std::uint8_t>(0x80 >> last % 8);
    const bool found = DeviceInspector::state(const_cast<BigDevice&>(big).device)
                           .allowed_ips.lookup(address)
                           .value != nullptr;
    if (found == hit) return address;
  }
}

// Percentiles of single lookups. What reading the clock twice costs (its median) is taken off.
void time_lookups(benchmark::State& state, bool hit, std::size_t num_addresses) {
  BigDevice& big = big_device();
  const PrefixMap<Peer>& table = DeviceInspector::state(big.device).allowed_ips;
  std::mt19937_64 random(7);
  std::vector<IpAddress> addresses;
  for (std::size_t i = 0; i < num_addresses; ++i) {
    addresses.push_back(pick_address(big, hit, random));
  }
  std::vector<double> nothing;
  for (std::size_t i = 0; i < kNumLookups; ++i) {
    const double begin = clock_seconds();
    nothing.push_back(clock_seconds() - begin);
  }
  std::nth_element(nothing.begin(), nothing.begin() + kNumLookups / 2, nothing.end());
  const double overhead = nothing[kNumLookups / 2];
  std::vector<double> times;
  std::size_t next = 0;
  for (auto _ : state) {
    const double begin = clock_seconds();
    benchmark::DoNotOptimize(table.lookup(addresses[next]));
    times.push_back(std::max(0.0, clock_seconds() - begin - overhead));
    next = (next + 1) % num_addresses;
  }
  report_percentiles(state, times);
}

constexpr std::size_t kWarmAddresses = 16;
BENCHMARK_CAPTURE(time_lookups, hit_warm, true, kWarmAddresses)
    ->Iterations(kNumLookups)
    ->Name("scale_lookup_hit_warm");
BENCHMARK_CAPTURE(time_lookups, hit_cold, true, kNumLookups)
    ->Iterations(kNumLookups)
    ->Name("scale_lookup_hit_cold");
BENCHMARK_CAPTURE(time_lookups, miss_warm, false, kWarmAddresses)
    ->Iterations(kNumLookups)
    ->Name("scale_lookup_miss_warm");
BENCHMARK_CAPTURE(time_lookups, miss_cold, false, kNumLookups)
    ->Iterations(kNumLookups)
    ->Name("scale_lookup_miss_cold");

}  // namespace
}  // namespace hawser::bench
