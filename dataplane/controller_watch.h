#pragma once
// The watch over the controllers and gateways of an overlay. Internal to dataplane/.
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "dataplane/device_state.h"
#include "dataplane/handshakes.h"
#include "dataplane/liveness.h"
#include "dataplane/train_sealer.h"

namespace hawser {

// ControllerWatch sends what Liveness wants sent, says what it found, and says our own goodbyes.
// Under the device's lock, on the handshake thread but where said.
class ControllerWatch {
 public:
  // All of them outlive this.
  ControllerWatch(DeviceState& state, TrainSealer& sealer, Handshakes& handshakes);

  void run(const Batch& batch) HAWSER_UNDER_LOCK;
  void goodbye_received(Peer& peer, Instant now) HAWSER_UNDER_LOCK;
  // Some goodbyes did not find room yet.
  bool has_more() const HAWSER_UNDER_LOCK { return goodbye_at_.has_value(); }
  std::optional<Instant> next() const HAWSER_UNDER_LOCK { return liveness_.next(); }

  // --- also from control threads ---
  // The overlay or the peers changed.
  void overlay_changed(const Now& now) HAWSER_UNDER_LOCK;
  // With the next turns, every peer that has a session is told that we stop.
  void ask_for_goodbye() HAWSER_UNDER_LOCK { goodbye_at_ = 0; }

 private:
  void send_echo(const Liveness::Verdict& verdict, const Batch& batch) HAWSER_UNDER_LOCK;
  void send_goodbyes(const Batch& batch) HAWSER_UNDER_LOCK;
  // A packet of our own. False: there is no room.
  bool send(Peer& peer, std::span<const std::uint8_t> packet, const Batch& batch) HAWSER_UNDER_LOCK;
  // ": server2 carries fd…::/56 now", of the routes that `controller` lost just now, or has again;
  // empty: there are none.
  std::string handover_text(const Peer& watched, Instant now) const HAWSER_UNDER_LOCK;

  DeviceState& state_;
  TrainSealer& sealer_;
  Handshakes& handshakes_;
  Liveness liveness_;
  std::uint16_t echo_identifier_;
  std::optional<std::size_t> goodbye_at_;  // the next to be told
};

}  // namespace hawser
