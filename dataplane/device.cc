#include "dataplane/device.h"

#include <algorithm>

#include "dataplane/configurator.h"
#include "dataplane/device_state.h"
#include "dataplane/handshaker.h"

namespace hawser {
namespace {

const IpAddress* first_of(const std::vector<IpAddress>& addresses, IpFamily family) {
  const auto found = std::find_if(addresses.begin(), addresses.end(), [&](const IpAddress& a) {
    return a.family == family && !a.is_link_local() && !a.is_loopback();
  });
  return found == addresses.end() ? nullptr : &*found;
}

DropCounts copy_counts(const DropCounters& counters) {
  DropCounts counts{};
  for (std::size_t i = 0; i < kNumDropReasons; ++i) counts[i] = counters.get(DropReason(i));
  return counts;
}

}  // namespace

struct Device::Impl {
  Impl(DeviceOptions options, RandomSource& random, LogSink log, TimestampStore* store)
      : state(std::move(options), random, std::move(log)),
        handshaker(state, store),
        configurator(state, handshaker) {}

  void choose_icmp_sources(const HostRoutes& routes);
  PeerView view_of(const Peer& peer, Instant now) const HAWSER_UNDER_LOCK;

  DeviceState state;
  Handshaker handshaker;
  Configurator configurator;
};

Device::Device(DeviceOptions options, RandomSource& random, LogSink log, TimestampStore* store)
    : impl_(std::make_unique<Impl>(std::move(options), random, std::move(log), store)) {
  impl_->state.mtu = impl_->state.options.mtu;
  set_host_routes({});
}

Device::~Device() {
  impl_->handshaker.leave_tables();
  impl_->configurator.remove_all();
  impl_->state.domain.reclaim();
  impl_->state.free_peers(impl_->state.take_graveyard());
}

WorkerState& Device::worker_state() { return impl_->state; }

DeviceState& DeviceInspector::state(Device& device) { return device.impl_->state; }

std::size_t Device::num_queued_handshakes() const { return impl_->state.handshake_queue.size(); }

void Device::set_handshake_waker(std::function<void()> waker) {
  impl_->state.wake_handshakes = std::move(waker);
}

Status Device::apply(DeviceChange change, const Now& now) {
  Status status;
  {
    const DeviceLock lock(impl_->state.mutex);
    status = impl_->configurator.apply(std::move(change), now);
  }
  impl_->state.domain.reclaim();
  impl_->state.wake_handshakes();
  return status;
}

std::uint32_t Device::mtu() const { return impl_->state.mtu.load(); }
void Device::set_mtu(std::uint32_t mtu) { impl_->state.mtu = mtu; }

void Device::set_up(bool up, const Now&) {
  DeviceState& state = impl_->state;
  {
    const DeviceLock lock(state.mutex);
    if (state.up.exchange(up) == up) return;
    for (const auto& [order, peer] : state.peers_in_order) {
      if (up) {
        const bool persistent = peer->timers.persistent_keepalive.load() != 0;
        state.attention.push(*peer, persistent ? kFlushStaged | kSendKeepalive : kFlushStaged);
      } else {
        impl_->handshaker.handshakes().clear_peer(*peer, DropReason::kInterfaceDown);
        peer->timers.allow_initiation_at_once();
        state.timers.reschedule(*peer);
      }
    }
  }
  state.wake_handshakes();
}

void Device::say_goodbye() {
  {
    const DeviceLock lock(impl_->state.mutex);
    impl_->handshaker.watch().ask_for_goodbye();
  }
  impl_->state.wake_handshakes();
}

void Device::forget_sources() {
  const DeviceLock lock(impl_->state.mutex);
  for (const auto& [order, peer] : impl_->state.peers_in_order) peer->endpoint.forget_source();
}

void Device::forget_source(const IpAddress& gone) {
  const DeviceLock lock(impl_->state.mutex);
  for (const auto& [order, peer] : impl_->state.peers_in_order) peer->endpoint.forget_source(gone);
}

// Without the device's lock: there may be a million of them.
void Device::set_host_routes(const HostRoutes& routes) {
  impl_->state.host_routes.set(routes, impl_->state.options.own_addresses);
  impl_->choose_icmp_sources(routes);
  impl_->state.domain.reclaim();
}

void Device::Impl::choose_icmp_sources(const HostRoutes& routes) {
  const Lock lock(state.icmp_mutex);
  for (const IpFamily family : {IpFamily::kV4, IpFamily::kV6}) {
    IpAddress& source = state.icmp_source[family == IpFamily::kV4 ? 0 : 1];
    source = IpAddress{};
    for (const auto* addresses :
         {&state.options.own_addresses, &routes.tunnel_addresses, &routes.own_addresses}) {
      const IpAddress* const found = first_of(*addresses, family);
      if (found == nullptr) continue;
      source = *found;
      break;
    }
  }
}

PeerView Device::Impl::view_of(const Peer& peer, Instant now) const {
  PeerView view;
  view.public_key = peer.public_key;
  view.next_public_key = peer.next_public_key;
  view.uses_next_key = peer.next_public_key == peer.control.session_key;
  view.preshared_key = peer.control.handshake.preshared_key().clone();
  Endpoint endpoint;
  if (peer.endpoint.get(endpoint)) view.endpoint = endpoint;
  view.last_handshake = peer.timers.last_handshake_complete();
  view.tx_bytes = peer.tx_bytes.load(std::memory_order_relaxed);
  view.rx_bytes = peer.rx_bytes.load(std::memory_order_relaxed);
  view.persistent_keepalive = peer.timers.persistent_keepalive.load();
  view.allowed_ips.assign(peer.control.allowed_ips.begin(), peer.control.allowed_ips.end());
  const Keypair* const keypair = peer.sessions.current();
  view.has_session = keypair != nullptr && keypair->may_send.load() && !keypair->expired(now);
  view.num_staged = peer.staged.size();
  view.handshake_attempts = peer.timers.handshake_attempts();
  view.is_controller = peer.is_controller.load();
  view.reachable = is_live(peer, now);
  view.drops = copy_counts(peer.drops);
  return view;
}

DeviceView Device::view(Instant now) const {
  const DeviceLock lock(impl_->state.mutex);
  DeviceView view;
  view.private_key = impl_->state.identity.private_key().clone();
  view.public_key = impl_->state.identity.public_key();
  view.listen_port = impl_->state.listen_port;
  view.fwmark = impl_->state.fwmark;
  view.peers.reserve(impl_->state.peers_in_order.size());
  for (const auto& [order, peer] : impl_->state.peers_in_order) {
    view.peers.push_back(impl_->view_of(*peer, now));
  }
  return view;
}

std::optional<PeerView> Device::view_peer(const PublicKey& key, Instant now) const {
  const DeviceLock lock(impl_->state.mutex);
  const auto found = impl_->state.peers.find(key);
  if (found == impl_->state.peers.end()) return std::nullopt;
  return impl_->view_of(*found->second, now);
}

DeviceCounters Device::counters() const {
  DeviceState& state = impl_->state;
  DeviceCounters sum;
  {
    const Lock lock(state.paths_mutex);
    for (const auto& path : state.paths) {
      sum.received_datagrams += path->received_datagrams.load();
      sum.sent_datagrams += path->sent_datagrams.load();
      sum.relayed_packets += path->relayed_packets.load();
      sum.tun_read_packets += path->tun_read_packets.load();
      sum.tun_written_packets += path->tun_written_packets.load();
      sum.icmp_errors_sent += path->icmp_errors_sent.load();
    }
  }
  sum.handshakes_completed = impl_->handshaker.completed();
  sum.cookie_replies_sent = impl_->handshaker.cookie_replies();
  sum.gso_refusals = state.gso_refusals;
  sum.under_load = impl_->handshaker.under_load();
  sum.drops = copy_counts(state.drops);
  return sum;
}

HandshakeTurn Device::run_handshakes(const Batch& batch) { return impl_->handshaker.run(batch); }

void Device::end_turn(const OutBatch& submitted) { impl_->handshaker.end_turn(submitted); }

}  // namespace hawser
