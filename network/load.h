#pragma once
#include <string_view>
#include <vector>

#include "network/check.h"
#include "network/network.h"
#include "network/problem.h"

namespace hawser {

// A network file's contents, and everything that is wrong with them.
struct LoadedNetwork {
  Network network;                // to be run only without errors among
  std::vector<Problem> problems;  // by line; warnings too

  bool usable() const { return !has_errors(problems); }
};

// parse_network() and check_network() in one: what `hawser check`, start and reload all do.
LoadedNetwork load_network(std::string_view text, const CheckContext& context = {});

}  // namespace hawser
