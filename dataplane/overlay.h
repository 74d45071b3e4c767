#pragma once
// Routing through a network whose controllers stand in for each other. Two tables that stock
// WireGuard keeps as one are kept apart here:
//   route:  destination → ordered list of peers, of which the first live one is used
//   accept: source → the peers it may come from
// Both are looked up beside the allowed IPs, which keep the stock rule (one owner for both).
#include <vector>

#include "noise/keys.h"
#include "routing/ip_address.h"

namespace hawser {

// At most so many peers stand behind one prefix: 32 controllers (network/network.h), and 16
// gateways of one site (network/sites.h).
inline constexpr std::size_t kMaxOverlayPeers = 48;

struct OverlayRoute {
  Prefix destination;
  std::vector<PublicKey> via;  // in order of preference; unknown keys are passed over
  friend bool operator==(const OverlayRoute&, const OverlayRoute&) = default;
};

struct OverlayAccept {
  Prefix source;
  std::vector<PublicKey> from;
  friend bool operator==(const OverlayAccept&, const OverlayAccept&) = default;
};

// A peer that is watched with echo requests inside the tunnel, between these two addresses.
struct OverlayWatch {
  PublicKey key;
  IpAddress own_address;  // with a controller, ours in its subnet
  IpAddress peer_address;
  friend bool operator==(const OverlayWatch&, const OverlayWatch&) = default;
};

// Whom this host, a controller, tells before it stops, and between which addresses (IPv6).
struct OverlayGoodbye {
  PublicKey key;
  IpAddress own_address;
  IpAddress peer_address;
  friend bool operator==(const OverlayGoodbye&, const OverlayGoodbye&) = default;
};

struct Overlay {
  std::vector<OverlayRoute> routes;
  std::vector<OverlayAccept> accepts;
  // What a controller hands over is never handed to another one (split horizon).
  std::vector<OverlayWatch> controllers;
  std::vector<OverlayWatch> gateways;  // of networks that stand behind several; no controllers
  std::vector<OverlayGoodbye> goodbyes;
  bool empty() const { return *this == Overlay{}; }
  friend bool operator==(const Overlay&, const Overlay&) = default;
};

}  // namespace hawser
