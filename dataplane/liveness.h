#pragma once
// Watching controllers, and gateways that share a network (failover): an ICMP echo inside the
// tunnel to each one's own address each second. Any authenticated data that comes from it counts as
// an answer, so stock hosts can be watched as well.
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/time.h"
#include "dataplane/overlay.h"
#include "dataplane/overlay_tables.h"
#include "dataplane/peer.h"

namespace hawser {

inline constexpr Duration kEchoInterval = std::chrono::seconds(1);
// An echo that has no answer by then is lost; one that comes later, but before the next is sent,
// still clears the count.
inline constexpr Duration kEchoTimeout = std::chrono::milliseconds(400);
// After a lost one the next is sent so soon: a host that fell silent is dead 1.8 to 2.8 s
// later. Both ends of a flow have to notice, and the later one makes the gap.
inline constexpr Duration kEchoIntervalInDoubt = std::chrono::milliseconds(700);
static_assert(kEchoTimeout < kEchoIntervalInDoubt && kEchoIntervalInDoubt < kEchoInterval);
inline constexpr unsigned kEchoesUntilDead = 3;
inline constexpr unsigned kAnswersUntilAlive = 2;
// After a goodbye the controller still forwards and answers for a while. It is not believed alive
// again before that is over.
inline constexpr Duration kGoodbyeHold = std::chrono::seconds(5);

// Liveness decides for each watched peer whether it is reachable, and writes
// Peer::reachable. Under the device's lock.
class Liveness {
 public:
  struct Verdict {
    Peer* peer = nullptr;
    const OverlayWatch* send_echo = nullptr;  // an echo request is due
    std::uint16_t sequence = 0;
    bool has_lost = false;  // and the one before it was not answered
    bool died = false;
    bool revived = false;
  };

  // Peers that stay watched keep their state. Peers that were removed since the last call are not
  // freed yet.
  void watch(const Overlay& overlay, const OverlayTables::PeersByKey& peers, Instant now);

  // Calls visit(Verdict) for each watched peer that something is due for, as long as has_room():
  // an echo that cannot be sent is not due yet.
  template <class HasRoom, class Visit>
  void run(Instant now, HasRoom has_room, Visit visit) {
    for (Watch& watch : watches_) {
      if (!has_room()) return;
      const Verdict verdict = step(watch, now);
      if (verdict.send_echo != nullptr || verdict.died || verdict.revived) visit(verdict);
    }
  }
  std::optional<Instant> next() const;

  // The controller said that it will stop: dead at once. True if it was alive.
  bool goodbye(Peer& peer, Instant now);

 private:
  struct Watch {
    OverlayWatch echo;
    Peer* peer = nullptr;
    bool is_controller = false;
    Instant next_echo;
    std::optional<Instant> sent;      // the last echo, until it is judged
    std::optional<Instant> previous;  // when the last echo was sent, judged or not
    std::optional<Instant> distrusted_until;
    unsigned num_lost = 0;
    unsigned num_answered = 0;
    std::uint16_t sequence = 0;
  };

  Watch watch_of(Peer& peer, Instant now) const;
  static Verdict step(Watch& watch, Instant now);
  static void lost(Watch& watch, Verdict& verdict);
  static void answered(Watch& watch, Instant now, Verdict& verdict);
  static bool heard_since(const Watch& watch, Instant since);

  std::vector<Watch> watches_;
  std::unordered_map<const Peer*, std::size_t> at_;  // where in watches_ a peer is
};

}  // namespace hawser
