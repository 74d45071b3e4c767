#include "network/plan_table.h"

#include <algorithm>
#include <array>
#include <vector>

namespace hawser {
namespace {

constexpr std::size_t kLabelWidth = 12;
constexpr std::size_t kNumColumns = 5;
constexpr std::string_view kColumnGap = "  ";
using Row = std::array<std::string, kNumColumns>;

// Characters, not bytes: shortened keys hold an ellipsis.
std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

// A tag may hold anything.
std::string printable(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = '?';
  }
  return text;
}

std::string padded(std::string_view text, std::size_t to_width) {
  const std::size_t has = width(text);
  return std::string(text) + std::string(to_width > has ? to_width - has : 0, ' ');
}

std::string trimmed(std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  return line + '\n';
}

std::string labelled(std::string_view label, std::string_view value) {
  return trimmed(padded(label, kLabelWidth) + std::string(value));
}

// The label stands at the first of the lines only.
std::string labelled_list(std::string_view label, const std::vector<std::string>& values) {
  std::string text;
  for (std::size_t i = 0; i < values.size(); ++i) text += labelled(i == 0 ? label : "", values[i]);
  return text;
}

std::string aligned(const std::vector<Row>& rows) {
  std::array<std::size_t, kNumColumns> widths{};
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  }
  std::string text;
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += padded(row[i], widths[i]) + std::string(kColumnGap);
    }
    text += trimmed(std::move(line));
  }
  return text;
}

void add_peer_rows(std::vector<Row>& rows, const PlanPeer& peer) {
  std::string keepalive = "off";
  if (peer.persistent_keepalive) keepalive = std::to_string(*peer.persistent_keepalive) + " s";
  std::string endpoint = "–";
  if (peer.endpoint) endpoint = peer.endpoint->to_string();
  std::string name = peer.name;
  if (peer.role == HostRole::kController) name += " (controller)";
  if (peer.public_key_next) {
    name += " (next key " + peer.public_key_next->to_short_string() + ')';
  }
  if (!peer.preshared_key_file.empty()) name += " (preshared key)";
  for (const std::string& tag : peer.tags) name += " #" + printable(tag);
  rows.push_back({name, peer.public_key.to_short_string(), endpoint, keepalive, ""});
  for (std::size_t i = 0; i < peer.allowed_ips.size(); ++i) {
    if (i != 0) rows.emplace_back();
    rows.back().back() = peer.allowed_ips[i].to_string();
  }
}

std::string names_table(const HostPlan& plan) {
  std::size_t name_width = 0;
  for (const PlanHostName& host : plan.hosts) name_width = std::max(name_width, width(host.name));
  std::vector<std::string> lines;
  for (const PlanHostName& host : plan.hosts) {
    lines.push_back(padded(host.name, name_width) + std::string(kColumnGap) +
                    host.address.to_string());
  }
  return labelled_list("names", lines);
}

}  // namespace

std::string plan_to_table(const HostPlan& plan) {
  std::string text = labelled("host", plan.host + ", " + std::string(host_role_name(plan.role)) +
                                          " of network " + plan.network);
  text += labelled("public key", plan.public_key.to_base64());
  if (plan.public_key_next) text += labelled("next key", plan.public_key_next->to_base64());
  std::string port = "any free port";
  if (plan.interface.listen_port) port = "port " + std::to_string(*plan.interface.listen_port);
  text += labelled("interface", plan.interface.name + ", " + port + ", mtu " +
                                    std::to_string(plan.interface.mtu));
  if (!plan.exit.empty()) text += labelled("exit", plan.exit);
  std::vector<std::string> addresses;
  for (const InterfaceAddress& address : plan.interface.addresses) {
    addresses.push_back(address.to_string());
  }
  text += labelled_list("addresses", addresses);
  std::vector<std::string> routes;
  for (const Prefix& route : plan.routes) routes.push_back(route.to_string());
  text += labelled_list("routes", routes);
  text += names_table(plan);
  if (plan.peers.empty()) return text + "\nno peers\n";

  std::vector<Row> rows = {{"PEER", "KEY", "ENDPOINT", "KEEPALIVE", "ALLOWED IPS"}};
  for (const PlanPeer& peer : plan.peers) add_peer_rows(rows, peer);
  return text + '\n' + aligned(rows);
}

}  // namespace hawser
