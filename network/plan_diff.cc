#include "network/plan_diff.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <type_traits>
#include <utility>

namespace hawser {
namespace {

constexpr std::string_view kArrow = " → ";

// What of `items` is not in `others`, in order.
template <class T>
std::vector<T> missing_from(const std::vector<T>& others, const std::vector<T>& items) {
  const auto key = [](const T& item) {
    if constexpr (std::is_same_v<T, Prefix>) {
      return item;
    } else if constexpr (std::is_same_v<T, InterfaceAddress>) {
      return std::pair(item.address, item.prefix_len);
    } else {
      return std::pair(item.name, item.address);
    }
  };
  std::set<decltype(key(items.front()))> present;
  for (const T& other : others) present.insert(key(other));
  std::vector<T> missing;
  for (const T& item : items) {
    if (!present.contains(key(item))) missing.push_back(item);
  }
  return missing;
}

// Under its next key, too, where that is nobody's present one.
std::map<PublicKey, const PlanPeer*> by_key(const HostPlan& plan) {
  std::map<PublicKey, const PlanPeer*> peers;
  for (const PlanPeer& peer : plan.peers) peers[peer.public_key] = &peer;
  for (const PlanPeer& peer : plan.peers) {
    if (peer.public_key_next) peers.try_emplace(*peer.public_key_next, &peer);
  }
  return peers;
}

const PlanPeer* find_same(const std::map<PublicKey, const PlanPeer*>& peers, const PlanPeer& peer) {
  for (const auto& key : {std::optional(peer.public_key), peer.public_key_next}) {
    const auto found = key ? peers.find(*key) : peers.end();
    if (found != peers.end() && is_same_peer(*found->second, peer)) return found->second;
  }
  return nullptr;
}

bool same_prefixes(std::vector<Prefix> a, std::vector<Prefix> b) {
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  return a == b;
}

PlanPeerChange compare_peers(const PlanPeer& before, const PlanPeer& after) {
  PlanPeerChange change{before, after};
  change.renamed = before.name != after.name;
  change.key =
      before.public_key != after.public_key || before.public_key_next != after.public_key_next;
  change.endpoint = before.endpoint != after.endpoint;
  change.allowed_ips = !same_prefixes(before.allowed_ips, after.allowed_ips);
  change.persistent_keepalive = before.persistent_keepalive != after.persistent_keepalive;
  change.preshared_key_file = before.preshared_key_file != after.preshared_key_file;
  return change;
}

bool changes_anything(const PlanPeerChange& change) {
  return change.renamed || change.key || change.endpoint || change.allowed_ips ||
         change.persistent_keepalive || change.preshared_key_file;
}

void diff_peers(PlanDiff& diff, const HostPlan& before, const HostPlan& after) {
  const auto old_peers = by_key(before);
  const auto new_peers = by_key(after);
  for (const PlanPeer& peer : before.peers) {
    if (find_same(new_peers, peer) == nullptr) diff.peers_removed.push_back(peer);
  }
  for (const PlanPeer& peer : after.peers) {
    const PlanPeer* const old = find_same(old_peers, peer);
    if (old == nullptr) {
      diff.peers_added.push_back(peer);
      continue;
    }
    PlanPeerChange change = compare_peers(*old, peer);
    if (changes_anything(change)) diff.peers_changed.push_back(std::move(change));
  }
}

// Of the prefixes that both have; the others come and go with allowed IPs. Indices mean something
// in their own plan only.
template <class Rule>
bool same_rules(const std::vector<Rule>& a, const HostPlan& plan_a, const std::vector<Rule>& b,
                const HostPlan& plan_b, Prefix Rule::*prefix) {
  std::map<Prefix, const Rule*> before;
  for (const Rule& rule : a) before[rule.*prefix] = &rule;
  return std::all_of(b.begin(), b.end(), [&](const Rule& now) {
    const auto old = before.find(now.*prefix);
    if (old == before.end()) return true;
    const auto& peers = old->second->peers;
    return std::equal(peers.begin(), peers.end(), now.peers.begin(), now.peers.end(),
                      [&](std::uint32_t i, std::uint32_t j) {
                        return is_same_peer(plan_a.peers[i], plan_b.peers[j]);
                      });
  });
}

void diff_settings(PlanDiff& diff, const HostPlan& before, const HostPlan& after) {
  const auto compare = [&](std::string_view what, const std::string& old_value,
                           const std::string& new_value) {
    if (old_value == new_value) return;
    diff.settings.push_back(std::string(what) + ' ' + old_value + std::string(kArrow) + new_value);
  };
  const auto port = [](const HostPlan& plan) -> std::string {
    return plan.interface.listen_port ? std::to_string(*plan.interface.listen_port) : "any";
  };
  compare("network", before.network, after.network);
  compare("host", before.host, after.host);
  compare("role", std::string(host_role_name(before.role)),
          std::string(host_role_name(after.role)));
  const auto next_key = [](const HostPlan& plan) {
    return plan.public_key_next ? plan.public_key_next->to_base64() : std::string("none");
  };
  compare("public key", before.public_key.to_base64(), after.public_key.to_base64());
  compare("next public key", next_key(before), next_key(after));
  compare("exit", before.exit.empty() ? "none" : before.exit,
          after.exit.empty() ? "none" : after.exit);
  compare("interface", before.interface.name, after.interface.name);
  compare("listen port", port(before), port(after));
  compare("mtu", std::to_string(before.interface.mtu), std::to_string(after.interface.mtu));
}

// --- in words ---

std::string endpoint_text(const PlanPeer& peer) {
  return peer.endpoint ? peer.endpoint->to_string() : "none";
}

std::string keepalive_text(const PlanPeer& peer) {
  return peer.persistent_keepalive ? std::to_string(*peer.persistent_keepalive) + " s" : "off";
}

std::string keys_text(const PlanPeer& peer) {
  std::string text = peer.public_key.to_short_string();
  if (peer.public_key_next) text += " or " + peer.public_key_next->to_short_string();
  return text;
}

std::string prefix_changes(const PlanPeerChange& change) {
  std::string text;
  for (const Prefix& gone : missing_from(change.after.allowed_ips, change.before.allowed_ips)) {
    text += " -" + gone.to_string();
  }
  for (const Prefix& added : missing_from(change.before.allowed_ips, change.after.allowed_ips)) {
    text += " +" + added.to_string();
  }
  return text;
}

std::string change_text(const PlanPeerChange& change) {
  std::vector<std::string> parts;
  if (change.renamed) parts.push_back("was " + change.before.name);
  if (change.key) {
    parts.push_back("key " + keys_text(change.before) + std::string(kArrow) +
                    keys_text(change.after));
  }
  if (change.endpoint) {
    parts.push_back("endpoint " + endpoint_text(change.before) + std::string(kArrow) +
                    endpoint_text(change.after));
  }
  if (change.allowed_ips) parts.push_back("allowed IPs" + prefix_changes(change));
  if (change.persistent_keepalive) {
    parts.push_back("keepalive " + keepalive_text(change.before) + std::string(kArrow) +
                    keepalive_text(change.after));
  }
  if (change.preshared_key_file) parts.push_back("another preshared key file");
  std::string text = "~ peer " + change.after.name + ": ";
  for (std::size_t i = 0; i < parts.size(); ++i) text += (i == 0 ? "" : "; ") + parts[i];
  return text + '\n';
}

std::string peer_text(char sign, const PlanPeer& peer) {
  return std::string(1, sign) + " peer " + peer.name + ' ' + peer.public_key.to_short_string() +
         '\n';
}

std::string host_text(char sign, const PlanHostName& host) {
  return std::string(1, sign) + " name " + host.name + ' ' + host.address.to_string() + '\n';
}

template <class T>
std::string list_text(std::string_view what, const std::vector<T>& items) {
  std::string text;
  for (const T& item : items) text += std::string(what) + item.to_string() + '\n';
  return text;
}

}  // namespace

bool PlanDiff::empty() const {
  return peers_added.empty() && peers_removed.empty() && peers_changed.empty() &&
         addresses_added.empty() && addresses_removed.empty() && routes_added.empty() &&
         routes_removed.empty() && hosts_added.empty() && hosts_removed.empty() &&
         !failover_changed && settings.empty();
}

PlanDiff diff_plans(const HostPlan& before, const HostPlan& after) {
  PlanDiff diff;
  diff_peers(diff, before, after);
  diff.addresses_added = missing_from(before.interface.addresses, after.interface.addresses);
  diff.addresses_removed = missing_from(after.interface.addresses, before.interface.addresses);
  diff.routes_added = missing_from(before.routes, after.routes);
  diff.routes_removed = missing_from(after.routes, before.routes);
  diff.hosts_added = missing_from(before.hosts, after.hosts);
  diff.hosts_removed = missing_from(after.hosts, before.hosts);
  diff.failover_changed =
      !same_rules(before.failover_routes, before, after.failover_routes, after,
                  &FailoverRoute::destination) ||
      !same_rules(before.accept_rules, before, after.accept_rules, after, &AcceptRule::source);
  diff_settings(diff, before, after);
  return diff;
}

std::string plan_diff_to_string(const PlanDiff& diff) {
  if (diff.empty()) return "nothing changes\n";
  std::string text;
  for (const std::string& setting : diff.settings) text += "~ " + setting + '\n';
  text += list_text("- address ", diff.addresses_removed);
  text += list_text("+ address ", diff.addresses_added);
  for (const PlanPeer& peer : diff.peers_removed) text += peer_text('-', peer);
  for (const PlanPeer& peer : diff.peers_added) text += peer_text('+', peer);
  for (const PlanPeerChange& change : diff.peers_changed) text += change_text(change);
  text += list_text("- route ", diff.routes_removed);
  text += list_text("+ route ", diff.routes_added);
  for (const PlanHostName& host : diff.hosts_removed) text += host_text('-', host);
  for (const PlanHostName& host : diff.hosts_added) text += host_text('+', host);
  if (diff.failover_changed) text += "~ failover order\n";
  return text;
}

}  // namespace hawser
