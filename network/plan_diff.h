#pragma once
#include <string>
#include <vector>

#include "network/plan.h"

namespace hawser {

// A peer that stays: its session goes on, whatever else about it changes.
struct PlanPeerChange {
  PlanPeer before;
  PlanPeer after;
  bool renamed = false;
  bool key = false;  // the present one, the next one, or both
  bool endpoint = false;
  bool allowed_ips = false;  // as a set: their order does not matter
  bool persistent_keepalive = false;
  bool preshared_key_file = false;
};

// PlanDiff is what a reload would do to a host that runs `before` to make it run `after`.
struct PlanDiff {
  // A peer is its public key, or a next one that both plans know (is_same_peer()). One that keeps
  // its name and gets another key is removed and added.
  std::vector<PlanPeer> peers_added;
  std::vector<PlanPeer> peers_removed;
  std::vector<PlanPeerChange> peers_changed;
  std::vector<InterfaceAddress> addresses_added;
  std::vector<InterfaceAddress> addresses_removed;
  std::vector<Prefix> routes_added;
  std::vector<Prefix> routes_removed;
  std::vector<PlanHostName> hosts_added;
  std::vector<PlanHostName> hosts_removed;  // a host with a new address is in both
  bool failover_changed = false;            // of prefixes that stay: routes' order, accept rules
  // The rest of the interface, in words: "mtu 1420 → 1400". What a reload cannot change while it
  // runs (its name, the host's key) is the caller's to refuse.
  std::vector<std::string> settings;

  bool empty() const;
};

PlanDiff diff_plans(const HostPlan& before, const HostPlan& after);

// One change a line, "+", "-" or "~" in front; "nothing changes" when there is none.
std::string plan_diff_to_string(const PlanDiff& diff);

}  // namespace hawser
