#pragma once
#include <string_view>
#include <vector>

#include "network/network.h"
#include "network/problem.h"

namespace hawser {

// parse_network reads the text of a network file into `network` and returns everything that is
// wrong with it taken key by key: syntax, unknown or misplaced keys (with the nearest known one),
// types, ranges, malformed names, keys, addresses and endpoints. What hosts have to do with each
// other is check_network()'s; network/load.h does both.
//
// TOML, or JSON of the same structure when the first character is '{'. Any bytes are survived.
// After errors `network` holds what could be read, for more checks, and must not be run.
std::vector<Problem> parse_network(Network& network, std::string_view text);

}  // namespace hawser
