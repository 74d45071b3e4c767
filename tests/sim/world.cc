#include "tests/sim/world.h"

#include <algorithm>
#include <cstdlib>
#include <iostream>

#include "base/wire.h"
#include "dataplane/device_state.h"
#include "noise/messages.h"
#include "routing/checksum.h"

namespace hawser::testing {
namespace {

constexpr std::uint32_t kMtu = 1420;
constexpr std::int64_t kWallOrigin = 1'750'000'000;
constexpr std::size_t kBacklogLimit = 200;  // what a socket buffer holds
constexpr std::size_t kRecentLimit = 512;
constexpr int kAttacker = -1;

bool tracing() {
  static const bool on = std::getenv("HAWSER_SIM_TRACE") != nullptr;
  return on;
}

}  // namespace

World::World(std::uint64_t seed, const Options& options)
    : random(seed), observer(kMtu), options_(options), next_seed_(seed * 1000 + 1) {
  const bool hub = options.num_nodes == 3;
  for (int i = 0; i < options.num_nodes; ++i) {
    auto host = std::make_unique<Host>();
    host->index = i;
    host->key_seed = next_seed_++;
    host->options.mtu = kMtu;
    host->options.own_addresses = {inner_address(i, false), inner_address(i, true)};
    if (hub && i == 0) {
      host->options.forward = ForwardMode::kDirect;
      host->options.has_tun = options.controller_has_tun;
    }
    host->features = {random.percent(50), random.percent(50)};
    host->at = fresh_address(random.percent(50));
    addresses_.emplace_back(host->at, i);
    host->boot_offset = std::chrono::seconds(random.between(1, 1'000'000));
    host->wall_offset = std::chrono::seconds(random.between(-100, 100));
    hosts_.push_back(std::move(host));
  }
  for (int i = 0; i < options.num_nodes; ++i) {
    for (int j = 0; j < options.num_nodes; ++j) {
      if (i != j && (!hub || i == 0 || j == 0)) host(i).has_peer[at(j)] = true;
    }
  }
  if (random.percent(50)) change_psk(0, 1);
  for (const auto& host : hosts_) create_node(*host);
  flows = all_flows();
}

// --- nodes ---

IpAddress World::inner_address(int host, bool v6) const {
  const std::string last = std::to_string(host + 1);
  return address(((v6 ? "fd00::" : "10.0.0.") + last).c_str());
}

PeerChange World::describe_peer(const Host& host, int peer, bool with_endpoint) const {
  const Host& other = *hosts_[at(peer)];
  const bool all = options_.num_nodes == 3 && host.index != 0;
  PeerChange change =
      peer_change(make_private_key(other.key_seed).derive_public(),
                  {all ? prefix("10.0.0.0/24") : Prefix(inner_address(peer, false), 32),
                   all ? prefix("fd00::/64") : Prefix(inner_address(peer, true), 128)});
  if (with_endpoint) change.endpoint = other.at;
  const std::uint64_t psk_seed = host.psk_seed[at(peer)];
  change.preshared_key.emplace();
  if (psk_seed != 0) SeededRandom(psk_seed).fill(change.preshared_key->mutable_bytes());
  change.persistent_keepalive = host.keepalive;
  return change;
}

void World::create_node(Host& host) {
  host.node.reset();
  ++host.generation;
  host.ledger = {};
  host.queued_handshakes.clear();
  host.turn_at.reset();
  host.node = std::make_unique<Node>(host.options, make_private_key(host.key_seed), next_seed_++,
                                     host.features, &host.store);
  set_clock(host);
  DeviceChange change;
  for (const int peer : peers_of(host.index)) {
    // The controller is told by its peers where they are; in a pair one of the two knows.
    change.peers.push_back(describe_peer(host, peer, peer == 0 || random.percent(30)));
  }
  host.node->apply(std::move(change));
  schedule_turn(host);
}

std::vector<int> World::peers_of(int index) const {
  std::vector<int> peers;
  for (int i = 0; i < num_hosts(); ++i) {
    if (hosts_[at(index)]->has_peer[at(i)]) peers.push_back(i);
  }
  return peers;
}

Observer::Subject World::subject(Host& host) {
  return {host.index, host.generation, host.node.get(), &host.ledger};
}

void World::set_clock(Host& host) {
  const Duration wall = now() + host.wall_offset;
  const std::int64_t nanos = ((wall.count() % 1'000'000'000) + 1'000'000'000) % 1'000'000'000;
  host.node->set_now(
      {Instant(now() + host.boot_offset),
       {kWallOrigin + (wall.count() - nanos) / 1'000'000'000, static_cast<std::uint32_t>(nanos)}});
}

// --- time ---

void World::run_until(Duration end) {
  while (!failed() && events.run_one(end)) {
  }
}

void World::schedule_turn(Host& host) {
  std::optional<Duration> due;
  if (host.node->woken()) due = now() + std::chrono::microseconds(random.between(1, 2000));
  if (const auto deadline = host.node->next_deadline()) {
    const Duration at_deadline = deadline->time_since_epoch() - host.boot_offset;
    if (!due || at_deadline < *due) due = std::max(at_deadline, now());
  }
  if (!due || (host.turn_at && *host.turn_at <= *due)) return;
  host.turn_at = due;
  events.at(*due, [this, &host, generation = host.generation, due] {
    if (host.generation != generation || host.turn_at != due) return;
    host.turn_at.reset();
    if (!host.asleep) take_turn(host);
  });
}

void World::take_turn(Host& host) {
  set_clock(host);
  const std::vector<WireDatagram> queued = std::exchange(host.queued_handshakes, {});
  observer.before_turn(subject(host));
  host.node->run_handshakes();
  observer.after_turn(subject(host), queued);
  settle(host, 0);
}

// What the node has done goes where it is meant to go.
void World::settle(Host& host, std::int64_t keepalives) {
  for (const Datagram& datagram : std::exchange(host.node->sent, {})) {
    note(1, host.index, datagram.bytes);
    observer.emitted(subject(host), owner_of(datagram.remote), datagram, now());
    transmit(host, datagram);
  }
  for (const Packet& packet : std::exchange(host.node->to_tun, {})) {
    note(2, host.index, packet);
    observer.written_to_tun(subject(host), packet, now());
  }
  host.node->writes.clear();
  observer.check_ledger(subject(host), keepalives);
  schedule_turn(host);
}

void World::note(std::uint64_t what, int host, std::span<const std::uint8_t> bytes) {
  const auto mix = [this](std::uint64_t word) {
    trace_hash_ = (trace_hash_ ^ word) * 0x100000001b3;
    trace_hash_ ^= trace_hash_ >> 29;
  };
  mix(static_cast<std::uint64_t>(now().count()));
  mix(what * 16 + static_cast<std::uint64_t>(host));
  for (const std::uint8_t byte : bytes) mix(byte);
  if (!tracing()) return;
  static const std::array<const char*, 4> kWhat = {"?", "sends", "to tun", "hears"};
  std::cerr << std::chrono::duration<double>(now()).count() << " s: node " << host << " "
            << kWhat[what] << " " << bytes.size() << " bytes, first "
            << int{bytes.empty() ? 0 : bytes[0]} << "\n";
}

// --- network ---

Endpoint World::fresh_address(bool v6) {
  const std::uint32_t number = next_address_++;
  const std::string text =
      v6 ? "2001:db8::" + std::to_string(number % 10'000)
         : "198.18." + std::to_string(number / 250 % 250) + "." + std::to_string(1 + number % 250);
  Endpoint fresh = endpoint(text.c_str(), 0);
  fresh.port = static_cast<std::uint16_t>(random.between(1024, 65535));
  return fresh;
}

int World::owner_of(const Endpoint& where) const {
  for (const auto& [known, owner] : addresses_) {
    if (known.same_remote(where)) return owner;
  }
  return kAttacker;
}

void World::transmit(Host& from, const Datagram& datagram) {
  WireDatagram wire{.id = next_datagram_++,
                    .bytes = datagram.bytes,
                    .from = from.index,
                    .to = owner_of(datagram.remote),
                    .source = from.at,
                    .traffic_class = datagram.traffic_class};
  // Whoever has left an address gets nothing there.
  if (wire.to == kAttacker || !host(wire.to).at.same_remote(datagram.remote)) return;
  if (now() < dark_until_ || random.percent(weather.loss)) return;
  if (holding_ && !held_back_ && is_transport(wire.bytes)) {
    held_back_ = wire;
    return;
  }
  if (random.percent(weather.duplication)) deliver_later(wire);
  if (random.percent(weather.corruption)) {
    // With it or in its place.
    if (random.percent(50)) deliver_later(wire);
    corrupt(wire);
    if (random.percent(50)) wire.source = fresh_address(random.percent(50));
  }
  deliver_later(std::move(wire));
}

void World::deliver_later(WireDatagram datagram) {
  Duration delay = weather.delay;
  if (weather.jitter > Duration::zero()) {
    delay += Duration(random.between(0, weather.jitter.count()));
  }
  if (random.percent(weather.late)) delay += std::chrono::milliseconds(random.between(1, 30'000));
  events.after(delay, [this, wire = std::move(datagram)] { arrive(wire); });
}

void World::corrupt(WireDatagram& datagram) {
  datagram.authentic = false;
  Packet& bytes = datagram.bytes;
  const Packet before = bytes;
  const auto type = classify_message(bytes);
  const bool handshake = type == MessageType::kInitiation || type == MessageType::kResponse;
  // mac2 counts only under load: a change there does not make a message unauthentic.
  const std::size_t len = bytes.size() - (handshake ? kMacLen : 0);
  const auto kind = random.between(0, 9);
  if (kind == 0 && !handshake) {
    bytes.resize(static_cast<std::size_t>(random.between(0, static_cast<int>(len) - 1)));
  } else if (kind == 1) {
    bytes.resize(bytes.size() + static_cast<std::size_t>(random.between(1, 64)));
  } else {
    for (auto flips = random.between(1, 8); flips > 0; --flips) {
      const auto where = static_cast<std::size_t>(random.between(0, static_cast<int>(len) - 1));
      const auto bit = static_cast<std::uint8_t>(1U << random.between(0, 7));
      bytes[where] = static_cast<std::uint8_t>(bytes[where] ^ bit);
    }
    // Two flips may have undone each other.
    if (bytes == before) bytes[len - 1] = static_cast<std::uint8_t>(bytes[len - 1] ^ 1);
  }
}

void World::arrive(const WireDatagram& datagram) {
  Host& to = host(datagram.to);
  if (to.asleep) {
    if (to.backlog.size() < kBacklogLimit) to.backlog.push_back(datagram);
    return;
  }
  to.arrived.push_back(datagram);
  if (to.arrived.size() == 1) events.after(0ms, [this, &to] { receive_arrived(to); });
}

// As UDP GRO does: merged is what has the same source and the same length, whatever it is; the
// first shorter one ends a train.
void World::receive_arrived(Host& host) {
  std::vector<std::vector<WireDatagram>> trains;
  for (WireDatagram& wire : std::exchange(host.arrived, {})) {
    const bool fits = !trains.empty() && trains.back().size() < kMaxTrainSegments &&
                      !wire.bytes.empty() &&
                      trains.back().back().bytes.size() == trains.back().front().bytes.size() &&
                      wire.bytes.size() <= trains.back().front().bytes.size() &&
                      wire.source.same_remote(trains.back().front().source) &&
                      wire.traffic_class == trains.back().front().traffic_class;
    if (!fits || random.percent(5)) trains.emplace_back();
    trains.back().push_back(std::move(wire));
  }
  if (host.asleep) return;
  if (random.percent(30)) {
    receive(host, trains);
    return;
  }
  for (auto& train : trains) receive(host, {std::move(train)});
}

void World::receive(Host& host, const std::vector<std::vector<WireDatagram>>& trains) {
  set_clock(host);
  std::vector<std::vector<Datagram>> batch;
  std::vector<WireDatagram> all;
  std::int64_t keepalives = 0;
  for (const std::vector<WireDatagram>& train : trains) {
    batch.emplace_back();
    for (const WireDatagram& wire : train) {
      note(3, host.index, wire.bytes);
      batch.back().push_back({wire.bytes, wire.source, wire.traffic_class});
      all.push_back(wire);
      if (is_transport(wire.bytes)) {
        if (wire.bytes.size() == kTransportOverhead) ++keepalives;
      } else if (classify_message(wire.bytes)) {
        host.queued_handshakes.push_back(wire);
      }
    }
  }
  host.ledger.datagrams_in += all.size();
  observer.before_train(subject(host));
  host.node->receive_trains(batch);
  observer.after_train(subject(host), all);
  settle(host, keepalives);
  for (const WireDatagram& wire : all) attack(host, wire);
}

// An attacker who sees everything says again what was taken already.
void World::attack(Host& host, const WireDatagram& seen) {
  if (!seen.authentic || !observer.was_accepted(subject(host), seen.id)) return;
  if (is_transport(seen.bytes)) {
    if (recent_.size() == kRecentLimit) recent_.erase(recent_.begin());
    recent_.push_back(seen);
  }
  if (!random.percent(weather.replay)) return;
  WireDatagram again = seen;
  if (random.percent(70)) again.source = fresh_address(random.percent(50));
  if (random.percent(30)) corrupt(again);
  deliver_later(std::move(again));
}

void World::replay_everything_recent(int index) {
  for (const WireDatagram& wire : recent_) {
    if (wire.to == index) receive(host(index), {{wire}});
  }
}

}  // namespace hawser::testing
