#pragma once
#include <cstdint>
#include <string>

#include "base/result.h"
#include "routing/ip_address.h"

namespace hawser {

// What `ip link`, `ip address` and `ip route` do for one interface, in the calling thread's network
// namespace. Errors name the interface and what was refused. Any thread.

Status set_link_up(const std::string& interface);

// `length`: of the prefix that is on the link. An address that is there already is no error.
Status add_address(const std::string& interface, const IpAddress& address, unsigned length);

// In the main table, with the family's usual metric. The same route over the same interface is no
// error; another route for the prefix is (EEXIST).
Status add_route(const std::string& interface, const Prefix& prefix);

}  // namespace hawser
