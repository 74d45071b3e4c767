#pragma once
#include <span>
#include <string>
#include <vector>

#include "network/key_files.h"
#include "network/network.h"
#include "network/problem.h"
#include "noise/keys.h"
#include "routing/ip_address.h"

namespace hawser {

// What is known beside the file, when it is known. Borrowed for the call.
struct CheckContext {
  std::string host;                            // which of the hosts this one is; empty: none
  const PrivateKey* private_key = nullptr;     // of that host
  std::span<const IpAddress> local_addresses;  // of this machine, outside of the network
  KeyFiles* key_files = nullptr;               // for the preshared keys of that host's tunnels
};

// check_network finds every mistake that shows when a network's hosts are seen together: names,
// keys, addresses or endpoints that clash, addresses outside of the network, unknown controllers,
// allowed IPs that take another host's or more than the plan gives. With a context, also what
// does not fit this host. All at once, by line; entries that parse_network() could not read are
// left out.
std::vector<Problem> check_network(const Network& network, const CheckContext& context = {});

}  // namespace hawser
