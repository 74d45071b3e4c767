#include "dataplane/overlay_tables.h"

#include <algorithm>
#include <utility>

#include "noise/constants.h"

namespace hawser {
namespace {

// A live peer that got data answers within a passive keepalive; a little more is on the way.
constexpr Duration kAnswerTime = kKeepaliveTimeout + std::chrono::seconds(2);

std::vector<Peer*> resolve(const std::vector<PublicKey>& keys,
                           const OverlayTables::PeersByKey& peers) {
  std::vector<Peer*> found;
  for (const PublicKey& key : keys) {
    const auto peer = peers.find(key);
    if (peer != peers.end() && found.size() < kMaxOverlayPeers) found.push_back(peer->second);
  }
  return found;
}

}  // namespace

bool is_live(const Peer& peer, Instant now) {
  const Keypair* const keypair = peer.sessions.current();
  if (keypair == nullptr || keypair->expired(now)) return false;
  if (peer.is_watched.load(std::memory_order_relaxed)) {
    return peer.reachable.load(std::memory_order_relaxed);
  }
  const auto unanswered = peer.timers.unanswered_data_since();
  return !unanswered || now - *unanswered < kAnswerTime;
}

OverlayTables::OverlayTables(QuiescentDomain& domain)
    : domain_(domain), routes_(domain), accepts_(domain) {}

OverlayTables::~OverlayTables() { rebuild({}, {}); }

// Every group is made anew: a network changes seldom, and readers see either all of the old groups
// or all of the new ones.
void OverlayTables::fill(PrefixMap<Group>& map, QuiescentDomain& domain,
                         std::vector<std::pair<Prefix, std::unique_ptr<Group>>>&& wanted,
                         std::vector<Prefix>& present) {
  PrefixMap<Group>::Edit edit(map);
  std::vector<std::unique_ptr<Group>> old;
  for (const Prefix& prefix : present) {
    if (Group* const group = edit.remove(prefix)) old.emplace_back(group);
  }
  present.clear();
  for (auto& [prefix, group] : wanted) {
    // The same prefix twice: the later one counts.
    if (Group* const twin = edit.insert(prefix, group.release())) {
      old.emplace_back(twin);
    } else {
      present.push_back(prefix);
    }
  }
  edit.commit();
  for (auto& group : old) domain.retire_object(group.release());
}

void OverlayTables::rebuild(const Overlay& overlay, const PeersByKey& peers) {
  std::vector<std::pair<Prefix, std::unique_ptr<Group>>> routes;
  for (const OverlayRoute& route : overlay.routes) {
    Group group = resolve(route.via, peers);
    if (group.empty()) continue;
    routes.emplace_back(route.destination, std::make_unique<Group>(std::move(group)));
  }
  std::vector<std::pair<Prefix, std::unique_ptr<Group>>> accepts;
  for (const OverlayAccept& accept : overlay.accepts) {
    Group group = resolve(accept.from, peers);
    // An empty one stays: its peers are gone, and nobody else speaks for them because of a broader
    // allowed IP.
    accepts.emplace_back(accept.source, std::make_unique<Group>(std::move(group)));
  }
  const bool used = !routes.empty() || !accepts.empty();
  if (used) in_use_ = true;
  fill(routes_, domain_, std::move(routes), present_routes_);
  fill(accepts_, domain_, std::move(accepts), present_accepts_);
  if (!used) in_use_ = false;
}

OverlayTables::Choice OverlayTables::choose(const IpAddress& destination, const Peer* from,
                                            Instant now) const {
  const auto match = routes_.lookup(destination);
  if (match.value == nullptr) return {};
  const bool from_controller = from != nullptr && from->is_controller.load();
  Peer* first = nullptr;
  for (Peer* const peer : *match.value) {
    // Split horizon: what one controller hands over, no further one gets; and nothing goes back.
    if (peer == from || (from_controller && peer->is_controller.load())) continue;
    if (is_live(*peer, now)) return {true, peer, match.length};
    if (first == nullptr) first = peer;
  }
  return {true, first, match.length};
}

OverlayTables::Acceptance OverlayTables::accepts(const IpAddress& source, const Peer& from) const {
  const auto match = accepts_.lookup(source);
  if (match.value == nullptr) return {};
  const bool accepted =
      std::find(match.value->begin(), match.value->end(), &from) != match.value->end();
  return {true, accepted, match.length};
}

}  // namespace hawser
