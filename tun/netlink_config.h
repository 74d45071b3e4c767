#pragma once
#include <cstdint>
#include <string>

#include "base/result.h"
#include "tun/tunnel_state.h"

namespace hawser {

// What `ip link`, `ip address` and `ip route` do for one interface, in the calling thread's network
// namespace. Errors name the interface and what was refused; ENODEV: it is not there. Any thread.

// An interface is acted on by its index: it stays the same one when it is renamed, and no other one
// that takes its name is. (In another namespace the index may be another's.)
struct Link {
  std::uint32_t index = 0;
  std::string name;  // for messages: when it was found
};
Result<Link> find_link(const std::string& name);

// IPv6's usual metric, for both families. A host that is itself in a network which the tunnel leads
// to keeps its own way there: the kernel's and the network managers' routes have less.
inline constexpr std::uint32_t kRouteMetric = 1024;

Status set_link_up(const Link& link);
// Keeps IPv6 from giving the interface a link-local address when it comes up (addr_gen_mode none,
// as the kernel's own WireGuard interfaces have it). EAFNOSUPPORT: the interface has no IPv6.
Status set_no_link_local(const Link& link);
Status set_link_mtu(const Link& link, std::uint32_t mtu);

// `length`: of the prefix that is on the link. An address that is there already is no error; with
// another length it takes its own place (IPv6 has an address on a link once; IPv4 keeps both).
Status add_address(const Link& link, const IpAddress& address, unsigned length);
// An address that is not there is no error.
Status remove_address(const Link& link, const IpAddress& address, unsigned length);

// A route over the same interface that is there already is no error; one that add_route() made gets
// the source. Another one for the prefix with the same metric is an error (EEXIST). The source must
// be an address of this host.
Status add_route(const Link& link, const TunnelRoute& route);
// Takes the place of one that add_route() made, with another source: the way is there all the time.
Status replace_route(const Link& link, const TunnelRoute& route);
// Only one that add_route() made, whatever its source; that there is none is no error.
Status remove_route(const Link& link, const TunnelRoute& route);

// With our protocol number. One that is there already is no error.
Status add_rule(const PolicyRule& rule);
// That there is none is no error.
Status remove_rule(const PolicyRule& rule);
// Removes a family's rules with our protocol number, if no route of it is left in any table that
// they lead to: a daemon that was killed left them behind, its routes went with its interface.
Status remove_stale_rules();

// Do packets without mark `mark` go to the table of that number by somebody else's rule? So
// wg-quick(8) gives its tunnels a default route.
Result<bool> has_rule_of_others(std::uint32_t mark);

}  // namespace hawser
