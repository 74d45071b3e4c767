#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/random_source.h"
#include "base/result.h"
#include "bench/load/peer_plan.h"
#include "bench/load/tunnel_peer.h"
#include "noise/aead.h"
#include "routing/endpoint.h"

namespace hawser::load {

// getrandom(2).
class KernelRandom final : public RandomSource {
 public:
  void fill(std::span<std::uint8_t> out) override;
};

// Where one side of the pairs lives and finds the controller.
struct SidePlace {
  std::string network_namespace;  // "" is where we are
  Endpoint controller;
};

// PeerGroup is all peers of both sides, with their sessions. One thread's.
class PeerGroup {
 public:
  static Result<PeerGroup> open(const PeerPlan& plan, std::size_t num_pairs, const SidePlace& a,
                                const SidePlace& b);

  std::size_t num_pairs() const { return a_.size(); }
  TunnelPeer& a(std::size_t i) { return *a_[i]; }
  TunnelPeer& b(std::size_t i) { return *b_[i]; }

  // Gives every peer a fresh session. A few at a time, so that the controller need not think that
  // it is under attack; each is tried again for a while. The error counts who got no answer.
  Status connect(Aead& aead);
  // What a peer that only receives has to say now and then, and new sessions in time. Between
  // measurements only: takes whatever is left in the sockets.
  Status keep_alive(Aead& aead);

  std::uint64_t handshakes() const { return handshakes_; }

 private:
  PeerGroup() = default;
  std::vector<TunnelPeer*> everyone();
  void connect_some(std::span<TunnelPeer*> some);

  std::vector<std::unique_ptr<TunnelPeer>> a_;
  std::vector<std::unique_ptr<TunnelPeer>> b_;
  std::uint64_t handshakes_ = 0;
  std::int64_t connected_at_ = 0;
  std::int64_t spoke_at_ = 0;
};

}  // namespace hawser::load
