#pragma once
#include <libmnl/libmnl.h>

#include <optional>

#include "tun/tunnel_state.h"

namespace hawser {

// Reads an RTM_NEWRULE or RTM_DELRULE. nullopt: not one of ours, by its protocol number.
std::optional<PolicyRule> parse_rule(const nlmsghdr& message);
// Only those that are not ours; what PolicyRule has no word for is left out.
std::optional<PolicyRule> parse_rule_of_others(const nlmsghdr& message);

}  // namespace hawser
