#pragma once
// The overlay as workers look it up. Internal to dataplane/.
#include <atomic>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/quiescent.h"
#include "base/time.h"
#include "dataplane/overlay.h"
#include "dataplane/peer.h"
#include "routing/allowed_ips.h"

namespace hawser {

// OverlayTables holds immutable groups of peers, found by prefix. Lookups inside a reader section;
// rebuild() under the device's lock.
class OverlayTables {
 public:
  using PeersByKey = std::unordered_map<PublicKey, Peer*>;

  explicit OverlayTables(QuiescentDomain& domain);
  ~OverlayTables();

  // Resolves the overlay's keys against the peers of the moment. To be called whenever either
  // changed, before a removed peer is retired.
  void rebuild(const Overlay& overlay, const PeersByKey& peers);

  bool in_use() const { return in_use_.load(std::memory_order_relaxed); }

  // What one of the two tables says of an address. `length` counts where `found` is set.
  struct Choice {
    bool found = false;
    Peer* peer = nullptr;  // null though found: nobody of the list may be used
    unsigned length = 0;
  };
  struct Acceptance {
    bool found = false;
    bool accepted = false;
    unsigned length = 0;
  };
  // The first live peer for `destination`; if none is live, the first that may be used at all.
  // `from` is the peer that the packet came from, null for our own packets.
  Choice choose(const IpAddress& destination, const Peer* from, Instant now) const;

  Acceptance accepts(const IpAddress& source, const Peer& from) const;

 private:
  using Group = std::vector<Peer*>;

  static void fill(PrefixMap<Group>& map, QuiescentDomain& domain,
                   std::vector<std::pair<Prefix, std::unique_ptr<Group>>>&& wanted,
                   std::vector<Prefix>& present);

  QuiescentDomain& domain_;
  PrefixMap<Group> routes_;
  PrefixMap<Group> accepts_;
  std::vector<Prefix> present_routes_;
  std::vector<Prefix> present_accepts_;
  std::atomic<bool> in_use_{false};
};

// Can `peer` be reached, as far as we know? It has a session, and one that is watched is alive by
// the watch over it; any other peer did not leave data unanswered for longer than a passive
// keepalive takes.
bool is_live(const Peer& peer, Instant now);

}  // namespace hawser
