#pragma once
// Address plan `controllers-and-peers`: IPv6 unique local addresses (RFC 4193) from the SHA-256 of
// names, so that every host knows everybody's without asking.
//
//   network     /40  fd, then the first 3 bytes of H(network name), then a zero byte
//   controller  /56  the network's prefix | first 2 bytes of H(controller name) << 72; itself ::1
//   peer        /128 in every controller's subnet: the subnet | first 8 bytes of H(peer name)
// Where [network] has ipv4, each host has one address of it as well (see ipv4_address()).
#include <cstdint>
#include <optional>
#include <string_view>

#include "network/network.h"
#include "network/plan.h"
#include "routing/ip_address.h"

namespace hawser {

inline constexpr unsigned kNetworkPrefixLen = 40;
inline constexpr unsigned kControllerPrefixLen = 56;
// What a controller allows a peer: more than its one address, as stock hosts of such networks do.
inline constexpr unsigned kPeerPrefixLen = 96;

Prefix network_prefix(std::string_view network_name);
// Two controllers may share an id: 16 bits of a hash. check_network() finds that.
std::uint16_t controller_id(std::string_view controller_name);
Prefix controller_subnet(const Prefix& network, std::string_view controller_name);
IpAddress controller_address(const Prefix& subnet);
std::uint64_t peer_suffix(std::string_view peer_name);
std::uint64_t peer_suffix(const NetworkHost& peer);  // its address_suffix, else its name's
IpAddress peer_address(const Prefix& controller_subnet, std::uint64_t suffix);
Prefix peer_prefix(const Prefix& controller_subnet, std::uint64_t suffix);  // /96

// The IPv6 address that a host's name stands for: a controller's own, a peer's under its
// designated controller. Nothing for a peer whose designated controller cannot be told.
std::optional<IpAddress> named_address(const Network& network, const NetworkHost& host);
// Its IPv4 address, where the network has such beside: the host's `ipv4`, else what its name
// hashes to in the network's, as in plan node-id but never moved. Two may clash, and a short hash
// may be no host's address; check_network() finds that.
std::optional<IpAddress> ipv4_address(const Network& network, const NetworkHost& host);

// Called by plan_host(), for a network without errors; fills what differs between address plans:
// addresses, peers, failover routes and accept rules.
void plan_controllers_and_peers(HostPlan& plan, const Network& network, const NetworkHost& self);

}  // namespace hawser
