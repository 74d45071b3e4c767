#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "ctl/cli_arguments.h"
#include "ctl/cli_output.h"
#include "ctl/interface_status.h"

namespace hawser {

// Why there is no session with a peer, as far as its status tells: no endpoint, a name that does
// not resolve, never answered, refused, … One sentence with the remedy. Pure.
std::string likely_cause(const InterfaceStatus& status, const PeerStatus& peer, std::int64_t now);

// PeerWatch judges who answers. A controller is watched by the daemon. Of any other peer of a
// network a session says that it was there within three minutes: whether it still is, only a sign
// of life after the first look can tell, and nudge() asks for one.
class PeerWatch {
 public:
  void look(const InterfaceStatus& status);
  // It could not be asked, and why: until it can, nobody knows whether it is there.
  void note_asked(const PeerStatus& peer, const Status& asked);
  // Empty: it was asked, or need not be.
  std::string why_not_asked(const PeerStatus& peer) const;
  bool is_there(const PeerStatus& peer) const;
  // Not there as far as is known, and something sent to it would tell.
  bool wants_nudge(const PeerStatus& peer) const { return !peer.is_controller && !is_there(peer); }

 private:
  struct FirstLook {
    std::int64_t rx_bytes = 0;
    std::int64_t last_handshake = 0;
  };
  bool can_ask_ = false;  // there is a way to send something to peers from here
  std::unordered_map<std::string, FirstLook> first_;  // by public key
  std::unordered_map<std::string, std::string> not_asked_;
};

// What `hawser wait` still waits for, a line for each thing: which peer, which endpoint, since
// when, and the likely cause. A peer is there when it has a session and, in a network, answers.
// Empty: all is there. `now`: Unix time, seconds. Pure.
std::vector<std::string> missing_for(const CliArguments& arguments, const InterfaceStatus& status,
                                     const PeerWatch& watch, std::int64_t now);

// Why what was typed can never come true with the daemon that answers: a peer that it does not
// have, an interface where a peer should stand. Names the nearest that exists. Empty: it can.
// `interfaces`: those that have a control socket. Pure.
std::string unknown_peer(const CliArguments& arguments, const InterfaceStatus& status,
                         const std::vector<std::string>& interfaces);

// The world of a wait; tests have virtual time.
struct WaitPorts {
  // An interface's status; of the only one where the name is empty. Takes no longer than told.
  std::function<Result<InterfaceStatus>(const std::string& interface, Duration at_most)> query;
  std::function<std::vector<std::string>()> interfaces;  // that have a control socket
  // Has the host send the peer something that it has to answer. The Error has the remedy.
  std::function<Status(const InterfaceStatus&, const PeerStatus&)> nudge;
  std::function<Instant()> now;
  std::function<std::int64_t()> unix_now;
  std::function<void(Duration)> sleep;
};

// Waits for a daemon that need not be there yet. Fails after arguments.timeout, and says what is
// missing then; at once, and with kCliUsageError, where no waiting helps.
CliOutput wait_until_ready(const CliArguments& arguments, const WaitPorts& ports);

// The system's.
WaitPorts make_wait_ports(const CliArguments& arguments);

}  // namespace hawser
