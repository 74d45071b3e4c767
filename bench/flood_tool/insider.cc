#include "bench/flood_tool/insider.h"

#include <poll.h>

#include <utility>

#include "bench/load/clock.h"
#include "bench/load/udp_socket.h"

namespace hawser::flood {
namespace {

constexpr int kMaxCalls = 20;
constexpr std::int64_t kCallTimeout = load::kNanosPerSecond / 2;

void call(load::TunnelPeer& peer, RandomSource& random) {
  peer.call(random);
  const std::int64_t deadline = load::monotonic_ns() + kCallTimeout;
  while (peer.calling()) {
    const std::int64_t left = deadline - load::monotonic_ns();
    if (left <= 0) return;
    pollfd answer{peer.fd(), POLLIN, 0};
    ::poll(&answer, 1, static_cast<int>(left / 1'000'000) + 1);
    peer.drain();
  }
}

}  // namespace

Result<std::unique_ptr<load::TunnelPeer>> connect_insider(const load::PeerPlan& plan,
                                                          std::size_t pair,
                                                          const std::string& network_namespace,
                                                          const Endpoint& controller,
                                                          RandomSource& random) {
  auto sockets = load::open_udp_sockets_in(network_namespace, 1, controller);
  if (!sockets) return sockets.error();
  auto peer = std::make_unique<load::TunnelPeer>(plan.peer(load::Side::kA, pair),
                                                 plan.controller_key().derive_public(),
                                                 std::move(sockets->front()));
  for (int i = 0; i < kMaxCalls && peer->keypair() == nullptr; ++i) call(*peer, random);
  if (peer->keypair() == nullptr) {
    return Error{"the controller does not answer peer A of pair " + std::to_string(pair) +
                     "; is it configured as 'hawser-load config' says, with that many pairs?",
                 0};
  }
  const std::unique_ptr<Aead> aead = make_aead(AeadKind::kBoringSsl);
  peer->send_keepalive(*aead);
  return peer;
}

}  // namespace hawser::flood
