#include <algorithm>

#include "base/wire.h"
#include "dataplane/device_state.h"
#include "noise/messages.h"
#include "routing/checksum.h"
#include "tests/sim/world.h"

namespace hawser::testing {
void World::restart(int index) {
  create_node(host(index));
  host(index).backlog.clear();
  settle(host(index), 0);
}

void World::roam(int index) {
  Host& roamer = host(index);
  roamer.at = fresh_address(random.percent(50));
  addresses_.emplace_back(roamer.at, index);
}

void World::sleep(int index, Duration how_long) {
  Host& sleeper = host(index);
  if (sleeper.asleep) return;
  sleeper.asleep = true;
  events.after(how_long, [this, &sleeper] {
    sleeper.asleep = false;
    for (const WireDatagram& wire : std::exchange(sleeper.backlog, {})) receive(sleeper, {{wire}});
    take_turn(sleeper);
  });
}

void World::jump_wall(int index, Duration by) { host(index).wall_offset += by; }

void World::change_psk(int a, int b) {
  const std::uint64_t seed = random.percent(20) ? 0 : next_seed_++;
  for (const auto& [from, to] : {std::pair(a, b), std::pair(b, a)}) {
    Host& changed = host(from);
    changed.psk_seed[at(to)] = seed;
    if (!changed.node || !changed.has_peer[at(to)]) continue;
    // Not at the same moment on both sides.
    events.after(std::chrono::milliseconds(random.between(0, 3000)), [this, &changed, to = to] {
      if (!changed.has_peer[at(to)]) return;
      DeviceChange change;
      change.peers.push_back(describe_peer(changed, to, false));
      change.peers.back().allowed_ips.clear();
      set_clock(changed);
      changed.node->apply(std::move(change));
      settle(changed, 0);
    });
  }
}

void World::change_private_key(int index) {
  Host& changed = host(index);
  const PublicKey old_key = make_private_key(changed.key_seed).derive_public();
  changed.key_seed = next_seed_++;
  set_clock(changed);
  DeviceChange change;
  change.private_key = make_private_key(changed.key_seed);
  changed.node->apply(std::move(change));
  settle(changed, 0);
  for (int other = 0; other < num_hosts(); ++other) {
    observer.forget_initiations(index, other);
    if (!host(other).has_peer[at(index)]) continue;
    // The others learn of it in one transaction: the old peer goes, the new one comes.
    Host& peer = host(other);
    DeviceChange exchange;
    PeerChange gone;
    gone.public_key = old_key;
    gone.remove = true;
    exchange.peers.push_back(std::move(gone));
    exchange.peers.push_back(describe_peer(peer, index, true));
    set_clock(peer);
    peer.node->apply(std::move(exchange));
    observer.forget_initiations(other, index);
    settle(peer, 0);
  }
}

void World::remove_peer(int index, int peer) {
  Host& changed = host(index);
  changed.has_peer[at(peer)] = false;
  DeviceChange change;
  PeerChange gone;
  gone.public_key = make_private_key(host(peer).key_seed).derive_public();
  gone.remove = true;
  change.peers.push_back(std::move(gone));
  set_clock(changed);
  changed.node->apply(std::move(change));
  observer.forget_initiations(index, peer);
  settle(changed, 0);
}

void World::add_peer(int index, int peer) {
  Host& changed = host(index);
  if (changed.has_peer[at(peer)]) return;
  changed.has_peer[at(peer)] = true;
  DeviceChange change;
  change.peers.push_back(describe_peer(changed, peer, true));
  set_clock(changed);
  changed.node->apply(std::move(change));
  settle(changed, 0);
}

void World::set_up(int index, bool up) {
  Host& changed = host(index);
  set_clock(changed);
  changed.node->device().set_up(up, changed.node->now());
  for (int other = 0; other < num_hosts(); ++other) observer.forget_initiations(index, other);
  settle(changed, 0);
}

void World::set_keepalive(int index, std::uint16_t seconds) {
  Host& changed = host(index);
  changed.keepalive = seconds;
  DeviceChange change;
  for (const int peer : peers_of(index)) {
    change.peers.push_back(describe_peer(changed, peer, false));
    change.peers.back().allowed_ips.clear();
    change.peers.back().preshared_key.reset();
  }
  set_clock(changed);
  changed.node->apply(std::move(change));
  settle(changed, 0);
}

void World::start_counters_at(int index, std::uint64_t counter) {
  for (const auto& [order, peer] :
       DeviceInspector::state(host(index).node->device()).peers_in_order) {
    Keypair* const keypair = peer->sessions.current();
    if (keypair != nullptr && keypair->send_counter() < counter) {
      keypair->start_send_counter_at(counter);
    }
  }
}

void World::flood_with_garbage(int index, int num, int times) {
  if (times > 1) {
    events.after(700ms, [this, index, num, times] { flood_with_garbage(index, num, times - 1); });
  }
  Host& victim = host(index);
  if (victim.asleep) return;
  const Endpoint from = fresh_address(random.percent(50));
  std::vector<WireDatagram> train;
  for (int i = 0; i < num; ++i) {
    WireDatagram garbage{.id = next_datagram_++,
                         .bytes = Packet(sizeof(InitiationMessage)),
                         .to = index,
                         .authentic = false,
                         .source = from};
    random.fill(garbage.bytes);
    store_le32(garbage.bytes.data(), static_cast<std::uint32_t>(MessageType::kInitiation));
    train.push_back(std::move(garbage));
    if (train.size() == 60 || i + 1 == num) receive(victim, {std::exchange(train, {})});
  }
}

void World::overtake(int from, int to) {
  constexpr int kMoreThanAWindow = 8400;
  holding_ = true;
  for (int sent = 0; sent < kMoreThanAWindow && !failed(); sent += 40) {
    send({.from = from, .to = to}, 40);
  }
  holding_ = false;
  if (!held_back_) return;
  events.after(weather.delay + weather.jitter + 1ms,
               [this, wire = *std::exchange(held_back_, {})] { arrive(wire); });
}

void World::send(const Flow& flow, int num) {
  Host& from = host(flow.from);
  if (from.asleep) return;
  set_clock(from);
  const bool hub = options_.num_nodes == 3;
  const unsigned hops = hub && flow.from != 0 && flow.to != 0 ? 1 : 0;
  // A source that is nobody's, or another's.
  const bool forged = flow.from != 0 && random.percent(1);
  const IpAddress forged_source = hub && random.percent(50)
                                      ? inner_address(3 - flow.from, flow.v6)
                                      : address(flow.v6 ? "fd99::1" : "10.99.0.1");
  const bool one_size = num > 1 && random.percent(40);
  const auto size = static_cast<std::size_t>(random.between(12, 1350));
  std::vector<InnerPacket> packets;
  for (int i = 0; i < num; ++i) {
    InnerPacket inner{
        .source = forged ? forged_source : inner_address(flow.from, flow.v6),
        .destination = inner_address(flow.to, flow.v6),
        .payload_len = one_size ? size : static_cast<std::size_t>(random.between(12, 1350))};
    const bool dies = hops > 0 && !one_size && random.percent(0.5);
    if (dies) inner.hop_limit = 1;
    inner.id = observer.packet_sent({.from = flow.from,
                                     .to = flow.to,
                                     .hops = hops,
                                     .forged = forged,
                                     .dies = dies,
                                     .at = now()});
    packets.push_back(inner);
  }
  from.ledger.tun_in += packets.size();
  const bool super = one_size && size * packets.size() < 60'000;
  if (super) {
    const SuperPacket joined = make_super_packet(packets);
    from.node->send_tun(joined.bytes, joined.offload);
  } else {
    std::vector<Packet> made;
    for (const InnerPacket& inner : packets) made.push_back(make_packet(inner));
    from.node->send(made);
  }
  settle(from, 0);
}

void World::ping(int from, int to) {
  Host& pinger = host(from);
  if (pinger.asleep) return;
  set_clock(pinger);
  const bool v6 = random.percent(50);
  ++pinger.ledger.tun_in;
  pinger.node->send(make_echo_request(inner_address(from, v6), inner_address(to, v6), 77));
  settle(pinger, 0);
}

std::vector<World::Flow> World::all_flows() const {
  std::vector<Flow> all;
  for (int from = 0; from < options_.num_nodes; ++from) {
    for (int to = 0; to < options_.num_nodes; ++to) {
      const bool no_tun = options_.num_nodes == 3 && !options_.controller_has_tun;
      if (from == to || (no_tun && (from == 0 || to == 0))) continue;
      for (const bool v6 : {false, true}) all.push_back({.from = from, .to = to, .v6 = v6});
    }
  }
  return all;
}

void World::start_flow(std::size_t which) {
  flows[which].running = true;
  go_on(which, ++flows[which].epoch);
}

void World::go_on(std::size_t which, unsigned epoch) {
  if (!flows[which].running || flows[which].epoch != epoch) return;
  send(flows[which], static_cast<int>(random.between(1, flows[which].burst)));
  const Duration interval = flows[which].interval;
  events.after(Duration(random.between(interval.count() / 2, interval.count() * 3 / 2)),
               [this, which, epoch] { go_on(which, epoch); });
}

}  // namespace hawser::testing
