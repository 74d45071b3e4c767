#include "ctl/cli_wait.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <thread>

#include "ctl/cli_control.h"
#include "ctl/cli_text.h"
#include "mesh/endpoint_name.h"
#include "tun/system_clock.h"

namespace hawser {

namespace {

// Often enough for scripts, seldom enough for a controller with thousands of peers.
constexpr Duration kPoll = std::chrono::milliseconds(200);
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
                             std::int64_t now) {
  return fmt::format("{}, {}: {}, {}{}; {}", peer.label(), where(peer),
                     peer.has_session ? "no answer" : "no session", since(status, peer, now),
                     attempts(peer), likely_cause(status, peer, now));
}

std::string list_labels(const InterfaceStatus& status) {
  if (status.peers.empty()) return "it has none";
  std::string names;
  for (const PeerStatus& peer : status.peers) {
    names += (names.empty() ? "" : ", ") + peer.label();
  }
  return "its peers are " + names;
}

// What stands in the way of every peer.
std::vector<std::string> missing_of_interface(const InterfaceStatus& status) {
  std::vector<std::string> missing;
  if (!status.up) {
    missing.push_back(fmt::format("{}: the interface is down; ip link set {} up", status.interface,
                                  status.interface));
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

std::vector<std::string> missing_for(const CliArguments& arguments, const InterfaceStatus& status,
                                     std::int64_t now) {
  std::vector<std::string> missing = missing_of_interface(status);
  if (!arguments.wait_handshake || !missing.empty()) return missing;
  if (arguments.wait_peers.empty()) {
    for (const PeerStatus& peer : status.peers) {
      if (!peer.is_answering()) missing.push_back(describe_missing(status, peer, now));
    }
  }
  for (const std::string& wanted : arguments.wait_peers) {
    const PeerStatus* const peer = status.find(wanted);
    if (peer == nullptr) {
      missing.push_back(
          fmt::format("{}: no such peer at {}; {}", wanted, status.interface, list_labels(status)));
    } else if (!peer->is_answering()) {
      missing.push_back(describe_missing(status, *peer, now));
    }
  }
  return missing;
}

CliOutput wait_until_ready(const CliArguments& arguments, const WaitPorts& ports) {
  const Instant deadline = ports.now() + arguments.timeout;
  while (true) {
    const Result<InterfaceStatus> status = ports.query();
    std::vector<std::string> missing;
    if (status) {
      missing = missing_for(arguments, *status, ports.unix_now());
      if (missing.empty()) return {};
    } else {
      missing.push_back(status.error().message);
    }
    const Instant now = ports.now();
    if (now >= deadline) {
      CliOutput output = CliOutput::failure(
          fmt::format("gave up after {}; missing:", format_span(arguments.timeout)));
      for (std::size_t i = 0; i < std::min(missing.size(), kMaxShown); ++i) {
        output.err += "  " + missing[i] + "\n";
      }
      if (missing.size() > kMaxShown) {
        output.err += fmt::format("  and {} more\n", missing.size() - kMaxShown);
      }
      return output;
    }
    ports.sleep(std::min(kPoll, deadline - now));
  }
}

WaitPorts make_wait_ports(const CliArguments& arguments) {
  WaitPorts ports;
  ports.query = [arguments] { return query_interface(arguments.control_dir, arguments.interface); };
  ports.now = [] { return boot_now(); };
  ports.unix_now = unix_now;
  ports.sleep = [](Duration duration) { std::this_thread::sleep_for(duration); };
  return ports;
}

}  // namespace hawser
