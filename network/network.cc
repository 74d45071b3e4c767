#include "network/network.h"

#include <algorithm>
#include <cassert>

namespace hawser {
namespace {

unsigned line_in(const std::map<std::string, unsigned, std::less<>>& lines, std::string_view key,
                 unsigned otherwise) {
  const auto found = lines.find(key);
  return found == lines.end() ? otherwise : found->second;
}

}  // namespace

std::string_view address_plan_name(AddressPlan plan) {
  switch (plan) {
    case AddressPlan::kControllersAndPeers:
      return "controllers-and-peers";
    case AddressPlan::kFullMesh:
      return "full-mesh";
    case AddressPlan::kNodeId:
      return "node-id";
  }
  assert(false);
  return {};
}

std::string_view host_role_name(HostRole role) {
  switch (role) {
    case HostRole::kController:
      return "controller";
    case HostRole::kPeer:
      return "peer";
    case HostRole::kMember:
      return "member";
  }
  assert(false);
  return {};
}

std::string_view host_role_section(HostRole role) {
  switch (role) {
    case HostRole::kController:
      return "controllers";
    case HostRole::kPeer:
      return "peers";
    case HostRole::kMember:
      return "members";
  }
  assert(false);
  return {};
}

unsigned NetworkHost::line_of(std::string_view key) const { return line_in(key_lines, key, line); }

std::string NetworkHost::path(std::string_view key) const {
  std::string text = std::string(host_role_section(role)) + '.' + name;
  if (!key.empty()) text += '.' + std::string(key);
  return text;
}

unsigned Network::line_of(std::string_view key) const {
  return line_in(key_lines, key, line_in(key_lines, "", 0));
}

const NetworkHost* Network::find(std::string_view host_name) const {
  const auto found = std::find_if(hosts.begin(), hosts.end(),
                                  [&](const NetworkHost& host) { return host.name == host_name; });
  return found == hosts.end() ? nullptr : &*found;
}

std::vector<const NetworkHost*> Network::hosts_of(HostRole role) const {
  std::vector<const NetworkHost*> found;
  for (const NetworkHost& host : hosts) {
    if (host.role == role) found.push_back(&host);
  }
  return found;
}

std::vector<std::string_view> Network::host_names() const {
  std::vector<std::string_view> names;
  for (const NetworkHost& host : hosts) names.push_back(host.name);
  return names;
}

const NetworkHost* Network::designated_controller(const NetworkHost& peer) const {
  const NetworkHost* only = nullptr;
  // Controllers stand first.
  for (const NetworkHost& host : hosts) {
    if (host.role != HostRole::kController) break;
    if (!peer.controller.empty() && host.name == peer.controller) return &host;
    if (only != nullptr && peer.controller.empty()) return nullptr;
    only = &host;
  }
  return peer.controller.empty() ? only : nullptr;
}

const NetworkHost* Network::exit_of(const NetworkHost& host) const {
  return host.use_exit.empty() ? nullptr : find(host.use_exit);
}

bool Network::takes_exit(const NetworkHost& host, IpFamily family) const {
  if (host.use_exit.empty()) return false;
  if (plan != AddressPlan::kControllersAndPeers) return cidr && cidr->address().family == family;
  return family == IpFamily::kV6 || ipv4.has_value();
}

std::optional<std::uint16_t> Network::listen_port(const NetworkHost& host) const {
  if (host.role == HostRole::kPeer) return {};
  return host.port.value_or(port);
}

std::string Network::full_name(const NetworkHost& host) const { return host.name + '.' + domain; }

std::optional<std::uint16_t> Network::keepalive_between(const NetworkHost& from,
                                                        const NetworkHost& to) const {
  if (to.role == HostRole::kPeer) return {};
  std::optional<std::uint16_t> seconds = to.persistent_keepalive;
  if (from.role == HostRole::kPeer && from.persistent_keepalive)
    seconds = from.persistent_keepalive;
  if (seconds == 0) return {};
  return seconds.value_or(kDefaultPersistentKeepalive);
}

const std::string& Network::preshared_key_file_between(const NetworkHost& a, const NetworkHost& b) {
  const bool a_is_peer = a.role == HostRole::kPeer;
  const bool b_is_peer = b.role == HostRole::kPeer;
  const bool a_first = a_is_peer != b_is_peer ? a_is_peer : a.name < b.name;
  const NetworkHost& first = a_first ? a : b;
  const NetworkHost& second = a_first ? b : a;
  return first.preshared_key_file.empty() ? second.preshared_key_file : first.preshared_key_file;
}

}  // namespace hawser
