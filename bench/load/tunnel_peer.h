#pragma once
#include <cstdint>
#include <memory>
#include <span>

#include "base/random_source.h"
#include "base/result.h"
#include "noise/aead.h"
#include "noise/cookie.h"
#include "noise/handshake.h"
#include "noise/identity.h"
#include "noise/keypair.h"
#include "noise/messages.h"
#include "tun/unique_fd.h"

namespace hawser::load {

// TunnelPeer is one WireGuard peer of the controller: a socket, a handshake, a session. It always
// is the one that calls. One thread's.
class TunnelPeer {
 public:
  TunnelPeer(Identity identity, const PublicKey& controller, UniqueFd socket);

  int fd() const { return socket_.get(); }
  // The session, null before the first handshake has come to its end.
  Keypair* keypair() const { return keypair_.get(); }

  // Sends an initiation. The old session, if any, stays until the new one is there.
  void call(RandomSource& random);
  // The same in two steps: what costs time, and the sending. False: it cannot be made.
  bool prepare_call(RandomSource& random);
  void send_call();
  // The initiation made last.
  const InitiationMessage& initiation() const { return initiation_; }
  bool calling() const { return handshake_.initiation_under_way(); }
  // Takes one datagram that is not data: a response to our call or a cookie reply. Anything else
  // (an initiation of the controller's) is left unanswered.
  void receive_control(std::span<const std::uint8_t> datagram);
  // Reads the socket until it is empty, for control messages.
  void drain();
  // An empty data packet: confirms a new session, and tells the controller that we are alive.
  void send_keepalive(Aead& aead);

 private:
  Identity identity_;
  Handshake handshake_;
  CookieMaker cookies_;
  UniqueFd socket_;
  InitiationMessage initiation_{};
  std::unique_ptr<Keypair> keypair_;
};

}  // namespace hawser::load
