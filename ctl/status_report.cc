#include "ctl/status_report.h"

#include <fmt/format.h>

#include <iterator>
#include <string_view>

#include "base/hex.h"
#include "ctl/version.h"

namespace hawser {

namespace {

using ViewsByKey = std::unordered_map<PublicKey, const PeerView*>;

// Appends key=value lines.
class ReportLines {
 public:
  template <class T>
  void add(std::string_view key, const T& value) {
    fmt::format_to(std::back_inserter(text_), "{}={}\n", key, value);
  }
  void add_unless_empty(std::string_view key, const std::string& value) {
    if (!value.empty()) add(key, value);
  }
  void add_drops(const DropCounts& drops) {
    for (std::size_t i = 0; i < kNumDropReasons; ++i) {
      if (drops[i] == 0) continue;
      fmt::format_to(std::back_inserter(text_), "drop.{}={}\n",
                     to_string(static_cast<DropReason>(i)), drops[i]);
    }
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

// A reason comes from a library or the kernel; a line break in it would begin a new key.
std::string without_line_breaks(std::string text) {
  for (char& c : text) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  return text;
}

void add_facts(ReportLines& lines, const StatusFacts& facts) {
  lines.add("version", kVersion);
  lines.add("interface", facts.interface);
  lines.add("forward", to_string(facts.forward));
  lines.add("tun", facts.has_tun);
  lines.add("up", facts.is_up);
  lines.add("engine", facts.engine);
  lines.add_unless_empty("engine_reason", without_line_breaks(facts.engine_reason));
  lines.add("aead", facts.aead);
  lines.add("workers", facts.num_workers);
  lines.add("mtu", facts.mtu);
  lines.add("started_sec", facts.started);
}

// Who carries `route` now: the choice that the data plane makes, as far as a view shows it.
std::string carrier_of(const NetworkFacts& network, const NetworkFacts::Route& route,
                       const ViewsByKey& peers) {
  for (const PublicKey& key : route.via) {
    const auto peer = peers.find(key);
    if (peer == peers.end() || !peer->second->reachable) continue;
    const auto fact = network.peers.find(key);
    if (fact != network.peers.end()) return fact->second.name;
  }
  return "-";
}

void add_network(ReportLines& lines, const NetworkFacts& network, const DeviceView& view) {
  lines.add("network", network.network);
  lines.add("host", network.host);
  lines.add("role", network.role);
  if (network.confirm_until) lines.add("confirm_until_sec", *network.confirm_until);
  if (network.taken_back) lines.add("reload_taken_back_sec", *network.taken_back);
  lines.add_unless_empty("hosts_problem", without_line_breaks(network.hosts_problem));
  lines.add_unless_empty("exit", network.exit);
  for (const std::string& item : network.missing) lines.add("missing", item);
  ViewsByKey peers;
  for (const PeerView& peer : view.peers) peers.emplace(peer.public_key, &peer);
  for (const NetworkFacts::Route& route : network.routes) {
    lines.add("route", route.destination.to_string() + " " + carrier_of(network, route, peers));
  }
}

void add_network_peer(ReportLines& lines, const NetworkFacts& network, const PeerView& peer) {
  const auto fact = network.peers.find(peer.public_key);
  if (fact == network.peers.end()) return;  // somebody added it with wg(8)
  lines.add("name", fact->second.name);
  lines.add("role", fact->second.role);
  lines.add_unless_empty("configured_endpoint", fact->second.endpoint);
  lines.add("is_controller", peer.is_controller);
  lines.add("reachable", peer.reachable);
  lines.add("address", fact->second.address.to_string());
}

void add_counters(ReportLines& lines, const DeviceCounters& counters) {
  lines.add("under_load", counters.under_load);
  lines.add("received_datagrams", counters.received_datagrams);
  lines.add("sent_datagrams", counters.sent_datagrams);
  lines.add("relayed_packets", counters.relayed_packets);
  lines.add("tun_read_packets", counters.tun_read_packets);
  lines.add("tun_written_packets", counters.tun_written_packets);
  lines.add("icmp_errors_sent", counters.icmp_errors_sent);
  lines.add("handshakes_completed", counters.handshakes_completed);
  lines.add("cookie_replies_sent", counters.cookie_replies_sent);
  lines.add("gso_refusals", counters.gso_refusals);
  lines.add_drops(counters.drops);
}

void add_peer(ReportLines& lines, const PeerView& peer,
              const std::optional<NetworkFacts>& network) {
  lines.add("public_key", to_hex(peer.public_key.bytes));
  if (network) add_network_peer(lines, *network, peer);
  if (peer.next_public_key) {
    lines.add("next_public_key", to_hex(peer.next_public_key->bytes));
    lines.add("uses_next_key", peer.uses_next_key);
  }
  if (peer.endpoint) lines.add("endpoint", peer.endpoint->to_string());
  lines.add("last_handshake_time_sec", peer.last_handshake.seconds);
  lines.add("tx_bytes", peer.tx_bytes);
  lines.add("rx_bytes", peer.rx_bytes);
  lines.add("persistent_keepalive_interval", peer.persistent_keepalive);
  lines.add("has_session", peer.has_session);
  lines.add("handshake_attempts", peer.handshake_attempts);
  lines.add("num_staged", peer.num_staged);
  lines.add_drops(peer.drops);
  for (const Prefix& prefix : peer.allowed_ips) lines.add("allowed_ip", prefix.to_string());
}

}  // namespace

std::string_view to_string(ForwardMode mode) {
  switch (mode) {
    case ForwardMode::kKernel:
      return "kernel";
    case ForwardMode::kDirect:
      return "direct";
    case ForwardMode::kNone:
      return "none";
  }
  return "?";
}

std::string make_status_report(const StatusFacts& facts, const DeviceView& view,
                               const DeviceCounters& counters) {
  ReportLines lines;
  add_facts(lines, facts);
  if (!view.public_key.is_zero()) lines.add("own_public_key", to_hex(view.public_key.bytes));
  lines.add("listen_port", view.listen_port);
  lines.add("fwmark", view.fwmark);
  lines.add("num_peers", view.peers.size());
  add_counters(lines, counters);
  if (facts.network) add_network(lines, *facts.network, view);
  for (const PeerView& peer : view.peers) add_peer(lines, peer, facts.network);
  return lines.take() + "errno=0\n\n";
}

DropCounts total_drops(const DeviceView& view, const DeviceCounters& counters) {
  DropCounts total = counters.drops;
  for (const PeerView& peer : view.peers) {
    for (std::size_t i = 0; i < kNumDropReasons; ++i) total[i] += peer.drops[i];
  }
  return total;
}

std::string summarize_drops(const DropCounts& drops) {
  std::string list;
  for (std::size_t i = 0; i < kNumDropReasons; ++i) {
    if (drops[i] == 0) continue;
    fmt::format_to(std::back_inserter(list), "{}{} {}", list.empty() ? "" : ", ",
                   to_string(static_cast<DropReason>(i)), drops[i]);
  }
  return "dropped packets: " + (list.empty() ? std::string("none") : list);
}

}  // namespace hawser
