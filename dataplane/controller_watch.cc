#include "dataplane/controller_watch.h"

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <vector>

#include "dataplane/handshake_sender.h"
#include "dataplane/seal_item.h"
#include "routing/icmp_request.h"

namespace hawser {

ControllerWatch::ControllerWatch(DeviceState& state, TrainSealer& sealer, Handshakes& handshakes)
    : state_(state),
      sealer_(sealer),
      handshakes_(handshakes),
      echo_identifier_(static_cast<std::uint16_t>(state.random.u32())) {}

void ControllerWatch::overlay_changed(const Now& now) {
  liveness_.watch(state_.overlay_config, state_.peers, now.boot);
}

void ControllerWatch::run(const Batch& batch) {
  if (goodbye_at_) send_goodbyes(batch);
  const auto has_room = [&] { return has_room_for_peer(batch.out); };
  liveness_.run(batch.now.boot, has_room, [&](const Liveness::Verdict& verdict) {
    lock_is_held_here();
    Peer& peer = *verdict.peer;
    const std::string what = peer.is_controller.load() ? "this controller " : "this gateway ";
    if (verdict.died) {
      state_.say(LogLevel::kWarning, peer,
                 what + "does not answer any more" + handover_text(peer, batch.now.boot));
    }
    if (verdict.revived) {
      state_.say(LogLevel::kInfo, peer,
                 what + "answers again" + handover_text(peer, batch.now.boot));
    }
    if (verdict.send_echo != nullptr) send_echo(verdict, batch);
  });
}

void ControllerWatch::goodbye_received(Peer& peer, Instant now) {
  if (!liveness_.goodbye(peer, now)) return;
  state_.say(LogLevel::kInfo, peer, "this controller is about to stop" + handover_text(peer, now));
}

// Who carries a route now is told only where `watched` has a part in it: those before it in the
// route's order are not live, so it was or is the one.
std::string ControllerWatch::handover_text(const Peer& watched, Instant now) const {
  std::map<std::string, std::vector<Prefix>> carried;  // by the name of who carries it now
  for (const OverlayRoute& route : state_.overlay_config.routes) {
    bool is_concerned = false;
    const Peer* carrier = nullptr;
    for (const PublicKey& key : route.via) {
      const auto found = state_.peers.find(key);
      if (found == state_.peers.end()) continue;
      is_concerned = is_concerned || found->second == &watched;
      if (is_live(*found->second, now)) carrier = found->second;
      if (carrier != nullptr) break;
    }
    if (is_concerned) {
      carried[carrier == nullptr ? "nobody" : carrier->label()].push_back(route.destination);
    }
  }
  std::string text;
  for (const auto& [name, routes] : carried) {
    text += (text.empty() ? ": " : ", ") + name + " carries " + routes.front().to_string();
    if (routes.size() > 1) text += " and " + std::to_string(routes.size() - 1) + " more";
  }
  return text.empty() ? text : text + " now";
}

void ControllerWatch::send_echo(const Liveness::Verdict& verdict, const Batch& batch) {
  Peer& peer = *verdict.peer;
  const Keypair* const keypair = peer.sessions.current();
  const bool has_session = keypair != nullptr && !keypair->expired(batch.now.boot);
  // Who does not answer may have forgotten our session, but not one of just now. (Who has said
  // goodbye is not reachable and may answer still.)
  const bool is_forgotten = has_session && verdict.has_lost && !peer.reachable.load() &&
                            batch.now.boot - keypair->created_at >= kRekeyTimeout;
  if ((!has_session || is_forgotten) && !peer.timers.handshake_under_way()) {
    handshakes_.initiate(peer, /*is_retry=*/false, batch);
    state_.timers.reschedule(peer);
  }
  if (!has_session) return;  // an echo that waits for a session would say nothing
  std::array<std::uint8_t, kMaxIcmpRequestLen> packet;
  const std::size_t len =
      write_echo_request(packet, verdict.send_echo->own_address, verdict.send_echo->peer_address,
                         echo_identifier_, verdict.sequence);
  if (!send(peer, std::span(packet).first(len), batch)) return;
  state_.timers.reschedule(peer);
}

// As many as the batch takes; the rest follows with the next turn.
void ControllerWatch::send_goodbyes(const Batch& batch) {
  const auto& goodbyes = state_.overlay_config.goodbyes;
  for (; *goodbye_at_ < goodbyes.size(); ++*goodbye_at_) {
    const OverlayGoodbye& goodbye = goodbyes[*goodbye_at_];
    const auto found = state_.peers.find(goodbye.key);
    if (found == state_.peers.end()) continue;
    const Keypair* const keypair = found->second->sessions.current();
    if (keypair == nullptr || keypair->expired(batch.now.boot)) continue;
    std::array<std::uint8_t, kMaxIcmpRequestLen> packet;
    const std::size_t len = write_goodbye(packet, goodbye.own_address, goodbye.peer_address);
    if (!send(*found->second, std::span(packet).first(len), batch)) return;
  }
  goodbye_at_.reset();
}

bool ControllerWatch::send(Peer& peer, std::span<const std::uint8_t> packet, const Batch& batch) {
  if (!batch.out.has_room(1)) return false;
  const auto len = static_cast<std::uint32_t>(packet.size());
  const SealItem item = SealItem::allocate(batch.out, len, state_.mtu.load());
  if (item.datagram == nullptr) return false;
  std::copy(packet.begin(), packet.end(), item.packet());
  sealer_.dispatch(peer, {&item, 1}, batch);
  return true;
}

}  // namespace hawser
