#pragma once
// One host's share of a network: what it configures and runs. Derived from the description that is
// the same on every host, and from nothing else.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "network/network.h"
#include "routing/ip_address.h"

namespace hawser {

struct InterfaceAddress {
  IpAddress address;
  unsigned prefix_len = 0;

  Prefix connected() const { return Prefix(address, prefix_len); }
  std::string to_string() const;  // "ADDR/LEN", with the host bits

  friend bool operator==(const InterfaceAddress&, const InterfaceAddress&) = default;
};

struct PlanInterface {
  std::string name;
  std::vector<InterfaceAddress> addresses;
  std::optional<std::uint16_t> listen_port;  // nothing: any free port
  std::uint32_t mtu = kDefaultNetworkMtu;

  friend bool operator==(const PlanInterface&, const PlanInterface&) = default;
};

struct PlanPeer {
  std::string name;
  HostRole role = HostRole::kMember;
  PublicKey public_key;
  std::optional<PublicKey> public_key_next;  // accepted as well
  std::optional<EndpointName> endpoint;
  // By the stock rule: every prefix of a plan stands at one peer only, for both directions.
  std::vector<Prefix> allowed_ips;
  std::optional<std::uint16_t> persistent_keepalive;  // seconds; nothing: off
  std::string preshared_key_file;                     // as the network file has it; empty: none
  // Inside the tunnel, its two ends: what to probe between. Between a peer and a controller, both
  // are in that controller's subnet.
  IpAddress address;      // the peer's
  IpAddress own_address;  // this host's
  std::vector<std::string> tags;
  // No controller, and shares a prefix with others: this host, which sends to it directly, has to
  // know whether it is alive. Controllers are watched anyway.
  bool shares_site = false;

  friend bool operator==(const PlanPeer&, const PlanPeer&) = default;
};

struct PlanHostName {
  std::string name;  // "laptop1.vpn"
  IpAddress address;

  friend bool operator==(const PlanHostName&, const PlanHostName&) = default;
};

// Failover needs what cryptokey routing has in one table in two. Peers are indices into
// HostPlan::peers; lists are never empty.
struct FailoverRoute {
  Prefix destination;
  std::vector<std::uint32_t> peers;  // in order: the first that is alive carries it

  friend bool operator==(const FailoverRoute&, const FailoverRoute&) = default;
};
struct AcceptRule {
  Prefix source;
  std::vector<std::uint32_t> peers;  // ascending: any of them may deliver it

  friend bool operator==(const AcceptRule&, const AcceptRule&) = default;
};

struct HostPlan {
  std::string network;
  std::string host;
  HostRole role = HostRole::kMember;
  PublicKey public_key;  // which the host's private key must match, or the next one
  std::optional<PublicKey> public_key_next;
  PlanInterface interface;
  std::vector<PlanPeer> peers;  // controllers first, each by name
  // Every destination that goes into the interface: the prefixes that its own addresses connect
  // to, and allowed IPs outside of those. In address order.
  std::vector<Prefix> routes;
  std::vector<PlanHostName> hosts;  // all of the network's, this one too
  // The host whose exit this one takes; then 0.0.0.0/0, ::/0 or both are among the routes. Empty:
  // none, and a prefix of length 0 at a peer is only relayed for others.
  std::string exit;

  // Longest prefix first decides, as in cryptokey routing. Both have the prefixes that stand in the
  // peers' allowed IPs, in address order, and in both a prefix's owner by the stock rule is among
  // the peers (in `failover_routes`: the first). Beyond those, `accept_rules` has what this host
  // stands in front of together with others: it routes none of it into the tunnel, but what is sent
  // from there may come through the others.
  //
  // Split horizon is for the data plane to keep: a packet that came from a controller is never
  // handed to another controller.
  std::vector<FailoverRoute> failover_routes;
  std::vector<AcceptRule> accept_rules;

  // The routes that addresses do not bring by themselves.
  std::vector<Prefix> added_routes() const;

  friend bool operator==(const HostPlan&, const HostPlan&) = default;
};

// Are these two plans' entries of one peer? They have a key in common, perhaps the next one.
bool is_same_peer(const PlanPeer& a, const PlanPeer& b);

// Fails when `network` has errors by check_network(), or has no such host; then the message names
// the nearest.
Result<HostPlan> plan_host(const Network& network, std::string_view host_name);

}  // namespace hawser
