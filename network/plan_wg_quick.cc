#include "network/plan_wg_quick.h"

#include <algorithm>

namespace hawser {
namespace {

std::string setting(std::string_view key, std::string_view value) {
  return std::string(key) + " = " + std::string(value) + '\n';
}

// An exit that this host relays to and does not take itself: wg-quick would turn the host's own
// default route to it, so the routes are given one by one.
std::string routes_by_hand(const HostPlan& plan) {
  const bool relays_exit =
      std::any_of(plan.failover_routes.begin(), plan.failover_routes.end(),
                  [](const FailoverRoute& route) { return route.destination.length() == 0; });
  if (!relays_exit || !plan.exit.empty()) return {};
  std::string text = setting("Table", "off");
  for (const Prefix& route : plan.added_routes()) {
    const bool is_v4 = route.address().family == IpFamily::kV4;
    text += setting("PostUp", std::string("ip ") + (is_v4 ? "-4" : "-6") + " route add " +
                                  route.to_string() + " dev %i");
  }
  return text;
}

std::string interface_section(const HostPlan& plan, std::string_view private_key) {
  std::string text = "# " + plan.host + ", " + std::string(host_role_name(plan.role)) +
                     " of network " + plan.network + "\n[Interface]\n";
  text += setting("PrivateKey", private_key);
  for (const InterfaceAddress& address : plan.interface.addresses) {
    text += setting("Address", address.to_string());
  }
  if (plan.interface.listen_port) {
    text += setting("ListenPort", std::to_string(*plan.interface.listen_port));
  }
  text += setting("MTU", std::to_string(plan.interface.mtu));
  text += routes_by_hand(plan);
  if (plan.role == HostRole::kController) {
    text +=
        "# Stock WireGuard forwards between peers through the kernel, which has to be told:\n"
        "# PostUp = sysctl -w net.ipv6.conf.all.forwarding=1 net.ipv4.ip_forward=1\n";
  }
  return text;
}

Result<std::string> preshared_key_line(const PlanPeer& peer, KeyFiles* key_files) {
  if (peer.preshared_key_file.empty()) return std::string();
  if (key_files == nullptr) {
    return "# PresharedKey = the contents of " + peer.preshared_key_file + '\n';
  }
  const Result<PresharedKey> key = key_files->preshared_key(peer.preshared_key_file);
  if (!key.ok()) return key.error();
  return setting("PresharedKey", key_to_base64(key->bytes()));
}

Result<std::string> peer_section(const PlanPeer& peer, KeyFiles* key_files) {
  std::string text = "\n# " + peer.name + "\n[Peer]\n";
  text += setting("PublicKey", peer.public_key.to_base64());
  if (peer.public_key_next) {
    text += "# Its next key, to be put there when it has it: " + peer.public_key_next->to_base64() +
            '\n';
  }
  const Result<std::string> preshared_key = preshared_key_line(peer, key_files);
  if (!preshared_key.ok()) return preshared_key.error();
  text += *preshared_key;
  std::string prefixes;
  for (const Prefix& prefix : peer.allowed_ips) {
    prefixes += (prefixes.empty() ? "" : ", ") + prefix.to_string();
  }
  if (!prefixes.empty()) text += setting("AllowedIPs", prefixes);
  if (peer.endpoint) text += setting("Endpoint", peer.endpoint->to_string());
  if (peer.persistent_keepalive) {
    text += setting("PersistentKeepalive", std::to_string(*peer.persistent_keepalive));
  }
  return text;
}

}  // namespace

Result<std::string> plan_to_wg_quick(const HostPlan& plan, std::string_view private_key,
                                     KeyFiles* key_files) {
  std::string text = interface_section(plan, private_key);
  for (const PlanPeer& peer : plan.peers) {
    const Result<std::string> section = peer_section(peer, key_files);
    if (!section.ok()) return section.error();
    text += *section;
  }
  return text;
}

}  // namespace hawser
