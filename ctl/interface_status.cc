#include "ctl/interface_status.h"

#include <optional>

#include "tun/system_clock.h"

namespace hawser {

namespace {

std::int64_t count_in(const std::vector<StatusLine>& drops, std::string_view reason) {
  for (const auto& [name, count] : drops) {
    if (name == reason) return status_integer(count).value_or(0);
  }
  return 0;
}

std::vector<StatusLine> read_drops(const std::vector<StatusLine>& lines) {
  std::vector<StatusLine> drops;
  for (const auto& [key, value] : lines) {
    if (key.starts_with(kStatusDropPrefix)) {
      drops.emplace_back(key.substr(kStatusDropPrefix.size()), value);
    }
  }
  return drops;
}

}  // namespace

PeerStatus PeerStatus::read(const std::vector<StatusLine>& lines) {
  const auto text = [&](std::string_view key) { return std::string(status_value(lines, key)); };
  const auto number = [&](std::string_view key) { return status_number(lines, key); };
  PeerStatus peer;
  peer.public_key = status_key_to_base64(text("public_key"));
  const std::string next_key = text("next_public_key");
  if (!next_key.empty()) peer.next_public_key = status_key_to_base64(next_key);
  peer.uses_next_key = text("uses_next_key") == "true";
  peer.name = text("name");
  peer.role = text("role");
  peer.address = text("address");
  peer.endpoint = text("endpoint");
  peer.configured_endpoint = text("configured_endpoint");
  peer.is_controller = text("is_controller") == "true";
  peer.reachable = text("reachable") == "true";
  peer.has_session = text("has_session") == "true";
  peer.last_handshake = number("last_handshake_time_sec");
  peer.tx_bytes = number("tx_bytes");
  peer.rx_bytes = number("rx_bytes");
  peer.persistent_keepalive = number("persistent_keepalive_interval");
  peer.handshake_attempts = number("handshake_attempts");
  peer.num_staged = number("num_staged");
  for (const auto& [key, value] : lines) {
    if (key == "allowed_ip") peer.allowed_ips.push_back(value);
  }
  peer.drops = read_drops(lines);
  return peer;
}

namespace {

RouteStatus read_route(const std::string& value) {
  const std::size_t space = value.find(' ');
  RouteStatus route{value.substr(0, space), {}};
  if (space != std::string::npos) route.via = value.substr(space + 1);
  if (route.via == "-") route.via.clear();
  return route;
}

}  // namespace

std::int64_t PeerStatus::dropped(std::string_view reason) const { return count_in(drops, reason); }

std::string_view PeerStatus::liveness() const {
  if (name.empty()) return {};
  if (reachable) return "alive";
  return has_session || last_handshake > 0 ? "dead" : "unheard";
}

std::int64_t InterfaceStatus::dropped(std::string_view reason) const {
  return count_in(drops, reason);
}

InterfaceStatus InterfaceStatus::read(const StatusAnswer& answer) {
  const std::vector<StatusLine>& lines = answer.device;
  const auto text = [&](std::string_view key) { return std::string(status_value(lines, key)); };
  const auto number = [&](std::string_view key) { return status_number(lines, key); };
  InterfaceStatus status;
  status.interface = text("interface");
  status.network = text("network");
  status.host = text("host");
  status.role = text("role");
  status.own_public_key = status_key_to_base64(text("own_public_key"));
  status.up = text("up") == "true";
  status.tun = text("tun") == "true";
  status.under_load = text("under_load") == "true";
  status.listen_port = number("listen_port");
  status.started = number("started_sec");
  status.confirm_until = number("confirm_until_sec");
  status.taken_back = number("reload_taken_back_sec");
  status.hosts_problem = text("hosts_problem");
  status.relayed_packets = number("relayed_packets");
  status.engine = text("engine");
  status.aead = text("aead");
  status.workers = number("workers");
  status.drops = read_drops(lines);
  for (const auto& [key, value] : lines) {
    if (key == "route") status.routes.push_back(read_route(value));
    if (key == "missing") status.missing.push_back(value);
  }
  for (const auto& peer : answer.peers) status.peers.push_back(PeerStatus::read(peer));
  return status;
}

const PeerStatus* InterfaceStatus::find(std::string_view peer) const {
  const PeerStatus* found = nullptr;
  for (const PeerStatus& one : peers) {
    if (one.public_key == peer || (!one.name.empty() && one.name == peer)) return &one;
    // The domain is the network's name unless the file says otherwise, so that any will do. Names
    // may have dots: of "web" and "web.lab", the longer one is meant by "web.lab.vpn".
    if (one.name.empty() || !peer.starts_with(one.name) || peer.size() == one.name.size() ||
        peer[one.name.size()] != '.') {
      continue;
    }
    if (found == nullptr || one.name.size() > found->name.size()) found = &one;
  }
  return found;
}

std::string InterfaceStatus::carrier_of(const IpAddress& address) const {
  std::string carrier;
  int longest = -1;
  const auto consider = [&](const std::string& text, const std::string& via) {
    const std::optional<Prefix> prefix = Prefix::parse(text);
    if (!prefix || !prefix->contains(address)) return;
    if (static_cast<int>(prefix->length()) <= longest) return;
    longest = static_cast<int>(prefix->length());
    carrier = via;
  };
  // Failover routes first: for the same prefix they know better than the stock owner.
  for (const RouteStatus& route : routes) consider(route.destination, route.via);
  for (const PeerStatus& peer : peers) {
    for (const std::string& prefix : peer.allowed_ips) consider(prefix, peer.label());
  }
  return carrier;
}

Result<InterfaceStatus> query_interface(const std::string& control_dir, const std::string& wanted,
                                        Duration at_most) {
  const Instant deadline = boot_now() + at_most;
  const Result<std::string> interface = choose_interface(control_dir, wanted, at_most);
  if (!interface) return interface.error();
  const Result<StatusAnswer> answer = query_status(control_dir, *interface, deadline - boot_now());
  if (!answer) return answer.error();
  return InterfaceStatus::read(*answer);
}

}  // namespace hawser
