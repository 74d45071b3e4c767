#include "bench/load/peer_group.h"

#include <poll.h>
#include <sys/random.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "bench/load/clock.h"
#include "bench/load/udp_socket.h"

namespace hawser::load {
namespace {

// Calls under way at once: far below where any implementation is "under load" (512 for the kernel
// module and for us).
constexpr std::size_t kCallsAtOnce = 32;
constexpr int kMaxCalls = 10;
constexpr std::int64_t kCallTimeout = kNanosPerSecond / 2;
// Before the initiator's 120 s, so that no session of a measurement is an old one.
constexpr std::int64_t kSessionTime = 100 * kNanosPerSecond;
// A peer that received data answers within 10 s (KEEPALIVE_TIMEOUT); else the controller would call
// us after 15 s.
constexpr std::int64_t kSpeakTime = 5 * kNanosPerSecond;

Result<std::vector<std::unique_ptr<TunnelPeer>>> open_side(const PeerPlan& plan, Side side,
                                                           std::size_t num,
                                                           const PublicKey& controller,
                                                           const SidePlace& place) {
  Result<std::vector<UniqueFd>> sockets =
      open_udp_sockets_in(place.network_namespace, num, place.controller);
  if (!sockets) return sockets.error();
  std::vector<std::unique_ptr<TunnelPeer>> peers;
  for (std::size_t i = 0; i < num; ++i) {
    peers.push_back(
        std::make_unique<TunnelPeer>(plan.peer(side, i), controller, std::move((*sockets)[i])));
  }
  return peers;
}

}  // namespace

void KernelRandom::fill(std::span<std::uint8_t> out) {
  if (::getrandom(out.data(), out.size(), 0) != static_cast<ssize_t>(out.size())) std::abort();
}

Result<PeerGroup> PeerGroup::open(const PeerPlan& plan, std::size_t num_pairs, const SidePlace& a,
                                  const SidePlace& b) {
  const PublicKey controller = plan.controller_key().derive_public();
  PeerGroup group;
  auto side_a = open_side(plan, Side::kA, num_pairs, controller, a);
  if (!side_a) return side_a.error();
  auto side_b = open_side(plan, Side::kB, num_pairs, controller, b);
  if (!side_b) return side_b.error();
  group.a_ = std::move(*side_a);
  group.b_ = std::move(*side_b);
  return group;
}

std::vector<TunnelPeer*> PeerGroup::everyone() {
  std::vector<TunnelPeer*> all;
  for (const auto& peer : a_) all.push_back(peer.get());
  for (const auto& peer : b_) all.push_back(peer.get());
  return all;
}

void PeerGroup::connect_some(std::span<TunnelPeer*> some) {
  KernelRandom random;
  std::vector<pollfd> fds;
  for (TunnelPeer* peer : some) {
    peer->call(random);
    fds.push_back({peer->fd(), POLLIN, 0});
  }
  const std::int64_t deadline = monotonic_ns() + kCallTimeout;
  const auto is_waiting = [](const TunnelPeer* peer) { return peer->calling(); };
  while (std::any_of(some.begin(), some.end(), is_waiting)) {
    const std::int64_t left = deadline - monotonic_ns();
    if (left <= 0) return;
    ::poll(fds.data(), fds.size(), static_cast<int>(left / 1'000'000) + 1);
    for (TunnelPeer* peer : some) peer->drain();
  }
}

Status PeerGroup::connect(Aead& aead) {
  std::vector<TunnelPeer*> waiting = everyone();
  std::vector<TunnelPeer*> connected;
  for (int call = 0; call < kMaxCalls && !waiting.empty(); ++call) {
    std::vector<TunnelPeer*> unanswered;
    for (std::size_t at = 0; at < waiting.size(); at += kCallsAtOnce) {
      const std::size_t num = std::min(kCallsAtOnce, waiting.size() - at);
      const std::span<TunnelPeer*> some(waiting.data() + at, num);
      connect_some(some);
      for (TunnelPeer* peer : some) (peer->calling() ? unanswered : connected).push_back(peer);
    }
    waiting = std::move(unanswered);
  }
  handshakes_ += connected.size();
  for (TunnelPeer* peer : connected) peer->send_keepalive(aead);
  connected_at_ = spoke_at_ = monotonic_ns();
  if (waiting.empty()) return {};
  return Error{"the controller does not answer " + std::to_string(waiting.size()) + " of " +
                   std::to_string(waiting.size() + connected.size()) +
                   " peers; is it configured as 'hawser-load config' says?",
               0};
}

Status PeerGroup::keep_alive(Aead& aead) {
  const std::int64_t now = monotonic_ns();
  if (now - connected_at_ > kSessionTime) return connect(aead);
  if (now - spoke_at_ < kSpeakTime) return {};
  spoke_at_ = now;
  for (TunnelPeer* peer : everyone()) {
    peer->drain();
    peer->send_keepalive(aead);
  }
  return {};
}

}  // namespace hawser::load
