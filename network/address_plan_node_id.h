#pragma once
// Address plan `node-id`: an IPv4 address from the SHA-256 of a name.
#include <map>
#include <optional>
#include <string_view>
#include <unordered_set>

#include "network/network.h"
#include "network/plan.h"
#include "routing/ip_address.h"

namespace hawser {

// The host part is the big-endian number in the hash's first 4 bytes, cut to the subnet's host
// bits; a last octet of 0 becomes 1, 255 becomes 254. If the address is in `used`, the hash of
// NAME, a zero byte and a decimal probe number 1 … 1023 gives the next one. Nothing when all are
// used. `subnet` is IPv4, /30 at the longest.
std::optional<IpAddress> node_address(const Prefix& subnet, std::string_view node_id,
                                      const std::unordered_set<IpAddress>& used);

struct NodeAddress {
  IpAddress address;
  bool moved = false;  // another host, earlier by name, has the address that it hashes to
};
// All members' addresses, given out in the order of their names, so that every host comes to the
// same result. Missing are members for which no address was free.
std::map<const NetworkHost*, NodeAddress> node_addresses(const Network& network);

// Called by plan_host(), for a network without errors; fills what differs between address plans.
void plan_node_id(HostPlan& plan, const Network& network, const NetworkHost& self);

}  // namespace hawser
