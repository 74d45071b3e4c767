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

// At most so many peers stand behind one prefix: a network has few controllers.
inline constexpr std::size_t kMaxOverlayPeers = 32;

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

// A controller as this host sees it: it is watched with echo requests from our address to its own,
// and what it hands over is never handed to another controller (split horizon).
struct OverlayController {
  PublicKey key;
  IpAddress own_address;         // ours, in that controller's subnet
  IpAddress controller_address;  // the controller's
  friend bool operator==(const OverlayController&, const OverlayController&) = default;
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
  std::vector<OverlayController> controllers;
  std::vector<OverlayGoodbye> goodbyes;
  bool empty() const { return *this == Overlay{}; }
  friend bool operator==(const Overlay&, const Overlay&) = default;
};

}  // namespace hawser
