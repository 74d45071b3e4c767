#include "ctl/cli_wait.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <thread>

#include "ctl/cli_control.h"
#include "ctl/cli_text.h"
#include "ctl/echo_socket.h"
#include "network/endpoint_name.h"
#include "network/nearest_name.h"
#include "noise/keys.h"
#include "tun/system_clock.h"

namespace hawser {

namespace {

// Often enough for scripts, seldom enough for a controller with thousands of peers.
constexpr Duration kPoll = std::chrono::milliseconds(200);
// The second look comes sooner: most answer within this.
constexpr Duration kFirstPoll = std::chrono::milliseconds(50);
// What a daemon on a busy host may take to answer.
constexpr Duration kMinLook = std::chrono::seconds(1);
constexpr Duration kNudgeInterval = std::chrono::seconds(1);
// At one look, so that waiting for thousands is no burst.
constexpr std::size_t kMaxNudges = 64;
// A screenful: a controller may wait for thousands.
constexpr std::size_t kMaxShown = 20;
constexpr std::string_view kRefused = "handshake-refused";

std::string ago(std::int64_t then, std::int64_t now) {
  const std::string age = format_age(now - then);
  return age == "now" ? "just now" : age + " ago";
}

std::string refused_cause(std::int64_t count, std::string_view whose) {
  return fmt::format(
      "{} of {} handshakes {} refused here: its public or preshared key is not what "
      "this host has, or its clock went back (a handshake that is older than the "
      "last one counts as a replay)",
      count, whose, count == 1 ? "was" : "were");
}

std::string no_endpoint_cause(const InterfaceStatus& status, const PeerStatus& peer) {
  if (!peer.configured_endpoint.empty()) {
    std::string fault;
    const auto endpoint = parse_endpoint_name(peer.configured_endpoint, fault);
    const std::string host = endpoint ? endpoint->host : peer.configured_endpoint;
    if (endpoint && endpoint->address()) {
      return fmt::format("this host has no way to {}; see ip route get {}", host, host);
    }
    return fmt::format(
        "the name {} does not resolve to an address that this host can reach; see "
        "getent ahosts {}",
        host, host);
  }
  std::string cause = fmt::format(
      "no endpoint: it has to call this host first; is it running, and does it reach UDP port {} "
      "here?",
      status.listen_port);
  // Whose they were cannot be known: a handshake that does not open names nobody.
  if (const std::int64_t refused = status.dropped(kRefused); refused > 0) {
    cause += " Also, " + refused_cause(refused, "somebody's");
  }
  return cause;
}

std::string silent_cause(const InterfaceStatus& status, const PeerStatus& peer) {
  if (const std::int64_t failed = peer.dropped("send-failed"); failed > 0) {
    return fmt::format("sending to it failed {} times on this host: is there a route to {}?",
                       failed, peer.endpoint);
  }
  if (peer.tx_bytes == 0) {
    return "nothing was sent to it so far: there is no traffic for it and no persistent keepalive; "
           "ping it, or set persistent_keepalive";
  }
  std::string cause = fmt::format(
      "it never answered ({} sent): is hawserd running there, is its UDP port open all the way, "
      "and does it know this host by the public key {}?",
      format_bytes(peer.tx_bytes), status.own_public_key);
  if (const std::int64_t refused = status.dropped(kRefused); refused > 0) {
    cause += " Also, " + refused_cause(refused, "somebody's");
  }
  return cause;
}

std::string since(const InterfaceStatus& status, const PeerStatus& peer, std::int64_t now) {
  if (peer.last_handshake > 0) return "last handshake " + ago(peer.last_handshake, now);
  if (status.started > 0) return "none since the daemon's start " + ago(status.started, now);
  return "never";
}

std::string attempts(const PeerStatus& peer) {
  if (peer.handshake_attempts == 0) return {};
  return fmt::format(", {} without an answer so far",
                     format_count(static_cast<std::size_t>(peer.handshake_attempts), "handshake"));
}

std::string where(const PeerStatus& peer) {
  if (peer.endpoint.empty()) {
    return peer.configured_endpoint.empty() ? "no endpoint" : peer.configured_endpoint;
  }
  if (peer.configured_endpoint.empty() || peer.configured_endpoint == peer.endpoint) {
    return peer.endpoint;
  }
  return fmt::format("{} ({})", peer.endpoint, peer.configured_endpoint);
}

std::string describe_missing(const InterfaceStatus& status, const PeerStatus& peer,
                             const std::string& why_not_asked, std::int64_t now) {
  if (peer.is_answering() && !why_not_asked.empty()) {
    return fmt::format("{}, {}: it has a session, but could not be asked whether it is there: {}",
                       peer.label(), where(peer), why_not_asked);
  }
  return fmt::format("{}, {}: {}, {}{}; {}", peer.label(), where(peer),
                     peer.has_session ? "no answer" : "no session", since(status, peer, now),
                     attempts(peer), likely_cause(status, peer, now));
}

// What could have been meant: the nearest, or all, or the first few of many.
std::string suggest_peer(const std::string& wanted, const InterfaceStatus& status) {
  if (status.peers.empty()) return "it has none";
  std::vector<std::string_view> labels;
  for (const PeerStatus& peer : status.peers) labels.push_back(peer.label());
  return suggest_name(wanted, labels);
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// What stands in the way of every peer.
std::vector<std::string> missing_of_interface(const InterfaceStatus& status) {
  std::vector<std::string> missing;
  if (!status.up) {
    missing.push_back(fmt::format("{}: the interface is down; ip link set {} up", status.interface,
                                  status.interface));
  }
  for (const std::string& item : status.missing) {
    missing.push_back(fmt::format(
        "{}: {} is missing; hawserd puts back what somebody removed, its log says what keeps it "
        "from that",
        status.interface, item));
  }
  if (status.own_public_key.empty()) {
    missing.push_back(fmt::format("{}: it has no private key; wg set {} private-key FILE",
                                  status.interface, status.interface));
  }
  // With --network the daemon answers only when all of them are in, and there may be none.
  if (status.peers.empty() && status.network.empty()) {
    missing.push_back(
        fmt::format("{}: it has no peers; wg set {} peer …", status.interface, status.interface));
  }
  return missing;
}

// Those that were named and exist; all, where none was named.
std::vector<const PeerStatus*> wanted_peers(const CliArguments& arguments,
                                            const InterfaceStatus& status) {
  std::vector<const PeerStatus*> peers;
  if (arguments.wait_peers.empty()) {
    for (const PeerStatus& peer : status.peers) peers.push_back(&peer);
  }
  for (const std::string& wanted : arguments.wait_peers) {
    if (const PeerStatus* const peer = status.find(wanted)) peers.push_back(peer);
  }
  return peers;
}

// Nudger asks those that are missing for a sign of life, each once a second, few at a time.
class Nudger {
 public:
  explicit Nudger(const WaitPorts& ports) : ports_(ports) {}

  void nudge(const std::vector<const PeerStatus*>& peers, const InterfaceStatus& status,
             PeerWatch& watch) {
    const Instant now = ports_.now();
    std::size_t num_sent = 0;
    for (const PeerStatus* const peer : peers) {
      if (!watch.wants_nudge(*peer) || peer->address.empty()) continue;
      const auto [last, is_first] = last_.try_emplace(peer->public_key, now);
      if (!is_first && now - last->second < kNudgeInterval) continue;
      last->second = now;
      watch.note_asked(*peer, ports_.nudge(status, *peer));
      if (++num_sent == kMaxNudges) return;
    }
  }

 private:
  const WaitPorts& ports_;
  std::unordered_map<std::string, Instant> last_;  // by public key
};

// An echo request through the tunnel. Who does not answer echo still owes a keepalive within 10 s.
Status send_echo(const InterfaceStatus& status, const PeerStatus& peer) {
  const auto address = IpAddress::parse(peer.address);
  if (!address) return {};
  auto socket = EchoSocket::open(*address, status.interface, {});
  return socket ? socket->send(0) : Status(socket.error());
}

}  // namespace

std::string likely_cause(const InterfaceStatus& status, const PeerStatus& peer, std::int64_t now) {
  if (const std::int64_t refused = peer.dropped(kRefused); refused > 0) {
    return refused_cause(refused, "its");
  }
  if (peer.last_handshake > 0) {
    return fmt::format(
        "it answered {} and does not any more: was it stopped, or did its network "
        "change?",
        ago(peer.last_handshake, now));
  }
  if (peer.endpoint.empty()) return no_endpoint_cause(status, peer);
  if (peer.rx_bytes == 0) return silent_cause(status, peer);
  return fmt::format(
      "it answers ({} received), but no handshake completes: the preshared key of "
      "the two differs, or it is under load",
      format_bytes(peer.rx_bytes));
}

void PeerWatch::look(const InterfaceStatus& status) {
  can_ask_ = status.tun && status.up;
  for (const PeerStatus& peer : status.peers) {
    first_.try_emplace(peer.public_key, FirstLook{peer.rx_bytes, peer.last_handshake});
  }
}

void PeerWatch::note_asked(const PeerStatus& peer, const Status& asked) {
  if (asked) {
    not_asked_.erase(peer.public_key);
  } else {
    not_asked_[peer.public_key] = asked.error().message;
  }
}

std::string PeerWatch::why_not_asked(const PeerStatus& peer) const {
  const auto found = not_asked_.find(peer.public_key);
  return found == not_asked_.end() ? std::string() : found->second;
}

bool PeerWatch::is_there(const PeerStatus& peer) const {
  if (!peer.is_answering()) return false;
  // Without a network nothing of ours has an address to ask at.
  if (peer.is_controller || peer.name.empty() || peer.address.empty() || !can_ask_) return true;
  const auto first = first_.find(peer.public_key);
  return first != first_.end() && (peer.rx_bytes != first->second.rx_bytes ||
                                   peer.last_handshake != first->second.last_handshake);
}

std::vector<std::string> missing_for(const CliArguments& arguments, const InterfaceStatus& status,
                                     const PeerWatch& watch, std::int64_t now) {
  std::vector<std::string> missing = missing_of_interface(status);
  if (!arguments.wait_handshake || !missing.empty()) return missing;
  for (const PeerStatus* const peer : wanted_peers(arguments, status)) {
    if (!watch.is_there(*peer))
      missing.push_back(describe_missing(status, *peer, watch.why_not_asked(*peer), now));
  }
  for (const std::string& wanted : arguments.wait_peers) {
    if (status.find(wanted) != nullptr) continue;
    missing.push_back(fmt::format("{}: no such peer at {}; {}", wanted, status.interface,
                                  suggest_peer(wanted, status)));
  }
  return missing;
}

std::string unknown_peer(const CliArguments& arguments, const InterfaceStatus& status,
                         const std::vector<std::string>& interfaces) {
  for (const std::string& wanted : arguments.wait_peers) {
    if (status.find(wanted) != nullptr) continue;
    if (!status.network.empty() && status.host == wanted) {
      return fmt::format("{} is this host itself", wanted);
    }
    if (contains(interfaces, wanted)) {
      return fmt::format(
          "{0} is an interface, no peer of {1}; for its peers: hawser wait {0} "
          "--handshake",
          wanted, status.interface);
    }
    // Without a network, wg(8) may still add it.
    if (status.network.empty() && PublicKey::from_base64(wanted)) continue;
    return fmt::format("{}: no such peer at {}; {}", wanted, status.interface,
                       suggest_peer(wanted, status));
  }
  return {};
}

namespace {

// A daemon that is not there may still come, but not under a name that is a peer's.
std::string peer_for_interface(const CliArguments& arguments, const WaitPorts& ports,
                               Instant deadline) {
  if (arguments.interface.empty() || arguments.is_surely_interface) return {};
  const std::vector<std::string> interfaces = ports.interfaces();
  if (contains(interfaces, arguments.interface)) return {};
  for (const std::string& interface : interfaces) {
    const auto status = ports.query(interface, deadline - ports.now());
    if (!status || status->find(arguments.interface) == nullptr) continue;
    return fmt::format(
        "{0} is a peer of {1}, no interface; write hawser wait {1} --handshake {0}, "
        "or --interface {0} if a daemon of this name is to come",
        arguments.interface, interface);
  }
  return {};
}

CliOutput give_up(const CliArguments& arguments, const std::vector<std::string>& missing) {
  CliOutput output =
      CliOutput::failure(fmt::format("gave up after {}; missing:", format_span(arguments.timeout)));
  for (std::size_t i = 0; i < std::min(missing.size(), kMaxShown); ++i) {
    output.err += "  " + missing[i] + "\n";
  }
  if (missing.size() > kMaxShown) {
    output.err += fmt::format("  and {} more\n", missing.size() - kMaxShown);
  }
  return output;
}

CliOutput refuse(const std::string& why) {
  CliOutput output = CliOutput::failure(why);
  output.exit_code = kCliUsageError;
  return output;
}

}  // namespace

CliOutput wait_until_ready(const CliArguments& arguments, const WaitPorts& ports) {
  const Instant deadline = ports.now() + arguments.timeout;
  PeerWatch watch;
  Nudger nudger(ports);
  Duration poll = kFirstPoll;
  std::vector<std::string> missing;
  while (true) {
    const Duration left = deadline - ports.now();
    const auto status = ports.query(arguments.interface, left);
    if (status) {
      const std::string unknown = unknown_peer(arguments, *status, ports.interfaces());
      if (!unknown.empty()) return refuse(unknown);
      watch.look(*status);
      missing = missing_for(arguments, *status, watch, ports.unix_now());
      if (missing.empty()) return {};
      if (arguments.wait_handshake) nudger.nudge(wanted_peers(arguments, *status), *status, watch);
    } else {
      const std::string mistaken = peer_for_interface(arguments, ports, deadline);
      if (!mistaken.empty()) return refuse(mistaken);
      // A last look that was cut short says less than the one before.
      if (missing.empty() || left > kMinLook) missing = {status.error().message};
    }
    const Instant now = ports.now();
    if (now < deadline) ports.sleep(std::min(poll, deadline - now));
    if (ports.now() >= deadline) return give_up(arguments, missing);
    poll = kPoll;
  }
}

WaitPorts make_wait_ports(const CliArguments& arguments) {
  WaitPorts ports;
  ports.query = [arguments](const std::string& interface, Duration at_most) {
    return query_interface(arguments.control_dir, interface, at_most);
  };
  ports.interfaces = [arguments] { return list_interfaces(arguments.control_dir); };
  ports.nudge = send_echo;
  ports.now = [] { return boot_now(); };
  ports.unix_now = unix_now;
  ports.sleep = [](Duration duration) { std::this_thread::sleep_for(duration); };
  return ports;
}

}  // namespace hawser
