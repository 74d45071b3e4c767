#include "ctl/status_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <string_view>
#include <vector>

#include "ctl/cli_text.h"
#include "ctl/interface_status.h"

namespace hawser {

namespace {

using Lines = std::vector<StatusLine>;

std::string format_drops(const Lines& lines) {
  std::string text;
  for (const auto& [key, value] : lines) {
    if (!key.starts_with(kStatusDropPrefix)) continue;
    fmt::format_to(std::back_inserter(text), "{}{} {}", text.empty() ? "" : ", ",
                   key.substr(kStatusDropPrefix.size()), value);
  }
  return text;
}

// Writes "  name: value" lines, leaving out what is empty.
class Sheet {
 public:
  explicit Sheet(std::string& out) : out_(out) {}
  void head(std::string_view name, std::string_view value) {
    fmt::format_to(std::back_inserter(out_), "{}{}: {}\n", out_.empty() ? "" : "\n", name, value);
  }
  void line(std::string_view name, std::string_view value) {
    if (!value.empty()) fmt::format_to(std::back_inserter(out_), "  {}: {}\n", name, value);
  }

 private:
  std::string& out_;
};

std::string with_reason(std::string_view what, std::string_view reason) {
  return reason.empty() ? std::string(what) : fmt::format("{} ({})", what, reason);
}

// By carrier, those that nobody carries under "".
std::map<std::string, std::vector<std::string>> routes_by_carrier(const InterfaceStatus& status) {
  std::map<std::string, std::vector<std::string>> carried;
  for (const RouteStatus& route : status.routes) carried[route.via].push_back(route.destination);
  return carried;
}

std::string carried_by(const InterfaceStatus& status, const std::string& label) {
  const auto carried = routes_by_carrier(status);
  const auto found = carried.find(label);
  if (found == carried.end()) return {};
  return fmt::format("{}", fmt::join(found->second, ", "));
}

void format_network(Sheet& sheet, const InterfaceStatus& status, std::int64_t now) {
  if (status.network.empty()) return;
  sheet.line("network", status.network);
  sheet.line("this host", with_reason(status.host, status.role));
  if (status.confirm_until > 0) {
    sheet.line("reload",
               fmt::format("waits for hawser confirm; the old state returns in {}",
                           format_age(std::max<std::int64_t>(1, status.confirm_until - now))));
  }
  if (status.taken_back > 0) {
    sheet.line("reload",
               fmt::format("not confirmed, taken back {} ago: what runs is not what the file says",
                           format_age(std::max<std::int64_t>(1, now - status.taken_back))));
  }
  sheet.line("host names", status.hosts_problem);
  sheet.line("carried by nobody", carried_by(status, ""));
}

void format_device(Sheet& sheet, const Lines& device, const InterfaceStatus& status,
                   std::int64_t now) {
  const auto text = [&](std::string_view key) { return status_value(device, key); };
  sheet.head("interface", status.interface);
  format_network(sheet, status, now);
  sheet.line("public key", status.own_public_key.empty() ? "none" : status.own_public_key);
  sheet.line("listening port", text("listen_port"));
  if (const std::int64_t mark = status_number(device, "fwmark"); mark != 0) {
    sheet.line("fwmark", fmt::format("{:#x}", mark));
  }
  sheet.line("state",
             fmt::format("{}{}{}", status.up ? "up" : "down", status.tun ? "" : ", no TUN device",
                         status.under_load ? ", under load" : ""));
  sheet.line("exit", text("exit"));
  sheet.line("missing", fmt::format("{}", fmt::join(status.missing, ", ")));
  if (status.started > 0) {
    sheet.line("running for", format_age(std::max<std::int64_t>(1, now - status.started)));
  }
  sheet.line("forward", text("forward"));
  sheet.line("engine", with_reason(text("engine"), text("engine_reason")));
  sheet.line("AEAD", text("aead"));
  sheet.line("workers", text("workers"));
  sheet.line("MTU", text("mtu"));
  sheet.line("datagrams", fmt::format("{} received, {} sent", text("received_datagrams"),
                                      text("sent_datagrams")));
  sheet.line("packets", fmt::format("{} relayed, {} from TUN, {} to TUN", text("relayed_packets"),
                                    text("tun_read_packets"), text("tun_written_packets")));
  sheet.line("handshakes", fmt::format("{} completed, {} cookie replies sent",
                                       text("handshakes_completed"), text("cookie_replies_sent")));
  sheet.line("dropped", format_drops(device));
}

std::string format_endpoint(const PeerStatus& peer) {
  if (peer.configured_endpoint.empty() || peer.configured_endpoint == peer.endpoint) {
    return peer.endpoint;
  }
  if (peer.endpoint.empty()) return peer.configured_endpoint + " (no address yet)";
  return fmt::format("{} ({})", peer.endpoint, peer.configured_endpoint);
}

void format_peer_head(Sheet& sheet, const PeerStatus& peer, const InterfaceStatus& status) {
  if (peer.name.empty()) return sheet.head("peer", peer.public_key);
  sheet.head(peer.role.empty() ? "peer" : peer.role, peer.name);
  if (peer.is_controller) {
    const std::string_view liveness = peer.liveness();
    sheet.line("liveness", liveness == "dead"      ? "dead: it does not answer"
                           : liveness == "unheard" ? "not heard yet"
                                                   : liveness);
    const std::string carried = carried_by(status, peer.name);
    if (!status.routes.empty()) sheet.line("carries", carried.empty() ? "nothing now" : carried);
  }
  sheet.line("public key", peer.public_key);
}

std::string format_session(const PeerStatus& peer) {
  if (peer.is_answering()) return "established";
  std::string state = peer.has_session ? "not answered" : "none";
  if (peer.handshake_attempts == 0) return state;
  return fmt::format("{}, {} without an answer so far", state,
                     format_count(static_cast<std::size_t>(peer.handshake_attempts), "handshake"));
}

void format_peer(Sheet& sheet, const Lines& lines, const PeerStatus& peer,
                 const InterfaceStatus& status, std::int64_t now) {
  format_peer_head(sheet, peer, status);
  if (!peer.next_public_key.empty()) {
    sheet.line("next key",
               peer.next_public_key + (peer.uses_next_key ? " (in use)" : " (not yet)"));
  }
  sheet.line("endpoint", format_endpoint(peer));
  sheet.line("allowed ips", peer.allowed_ips.empty()
                                ? "(none)"
                                : fmt::format("{}", fmt::join(peer.allowed_ips, ", ")));
  if (peer.last_handshake > 0) {
    const std::string age = format_age(now - peer.last_handshake);
    sheet.line("latest handshake", age == "now" ? age : age + " ago");
  }
  sheet.line("session", format_session(peer));
  if (peer.num_staged != 0) sheet.line("staged packets", fmt::format("{}", peer.num_staged));
  sheet.line("transfer", fmt::format("{} received, {} sent", format_bytes(peer.rx_bytes),
                                     format_bytes(peer.tx_bytes)));
  if (peer.persistent_keepalive > 0) {
    sheet.line("persistent keepalive", "every " + format_age(peer.persistent_keepalive));
  }
  sheet.line("dropped", format_drops(lines));
}

// A host of a network with no more than one route, which nobody watches: all of it fits a line.
bool is_plain(const PeerStatus& peer) {
  return !peer.name.empty() && !peer.is_controller && peer.allowed_ips.size() <= 1 &&
         peer.next_public_key.empty();
}

std::string format_plain(const Lines& lines, const PeerStatus& peer, std::int64_t now) {
  std::vector<std::string> parts;
  if (!peer.allowed_ips.empty()) parts.push_back(peer.allowed_ips.front());
  if (const std::string at = format_endpoint(peer); !at.empty()) parts.push_back("at " + at);
  parts.push_back("session " + format_session(peer));
  if (peer.last_handshake > 0) {
    const std::string age = format_short_age(now - peer.last_handshake);
    parts.push_back("handshake " + (age == "now" ? age : age + " ago"));
  }
  parts.push_back(fmt::format("{} received, {} sent", format_bytes(peer.rx_bytes),
                              format_bytes(peer.tx_bytes)));
  if (const std::string drops = format_drops(lines); !drops.empty()) {
    parts.push_back("dropped " + drops);
  }
  return fmt::format("{} {}: {}\n", peer.role.empty() ? "peer" : peer.role, peer.name,
                     fmt::join(parts, "; "));
}

// Those that take a line each, together.
std::string format_plain_peers(const StatusAnswer& answer, const InterfaceStatus& status,
                               std::int64_t now) {
  std::string out;
  for (std::size_t i = 0; i < status.peers.size(); ++i) {
    if (is_plain(status.peers[i])) out += format_plain(answer.peers[i], status.peers[i], now);
  }
  return out.empty() ? out : "\n" + out;
}

}  // namespace

std::string format_status(const StatusAnswer& answer, std::int64_t now) {
  const InterfaceStatus status = InterfaceStatus::read(answer);
  std::string out;
  Sheet sheet(out);
  format_device(sheet, answer.device, status, now);
  for (const bool controllers : {true, false}) {
    for (std::size_t i = 0; i < status.peers.size(); ++i) {
      if (status.peers[i].is_controller != controllers || is_plain(status.peers[i])) continue;
      format_peer(sheet, answer.peers[i], status.peers[i], status, now);
    }
  }
  return out + format_plain_peers(answer, status, now);
}

}  // namespace hawser
