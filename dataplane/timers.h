#pragma once
// The timer rules (paper §6.1–6.5, CONFORMANCE "Timers"), evaluated from stamps.
//
// Workers only write stamps. The handshake thread keeps one deadline for each peer, Peer::timer_at;
// when it passes, the rules are evaluated, what is due is done, and the next deadline is set. A
// stamp can only bring a deadline forward when it was unset before; whoever sets such a stamp looks
// at timer_at afterwards and asks for attention if it is later than the new deadline. The handshake
// thread in turn publishes "no timer" before it reads the stamps, so one of the two sees the other.
#include <optional>

#include "base/time.h"
#include "dataplane/peer.h"

namespace hawser {

// What is due for a peer. Several can be at once.
struct DueTimers {
  bool retransmit_handshake = false;  // no response within REKEY_TIMEOUT
  bool new_handshake = false;         // data sent, nothing heard for KEEPALIVE + REKEY timeouts
  bool keepalive = false;             // data received, nothing sent for KEEPALIVE_TIMEOUT
  bool persistent_keepalive = false;
  bool initiate = false;           // a handshake that was wanted too early
  bool zero_key_material = false;  // three times REJECT_AFTER_TIME without a new session
};

DueTimers due_timers(const Peer& peer, Instant now);

// When due_timers() will next have something, if nothing else happens.
std::optional<Instant> next_timer(const Peer& peer);

}  // namespace hawser
