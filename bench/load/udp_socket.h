#pragma once
#include <cstddef>
#include <string>
#include <vector>

#include "base/result.h"
#include "routing/endpoint.h"
#include "tun/unique_fd.h"

namespace hawser::load {

// "192.0.2.1:51820" or "[2001:db8::1]:51820".
Result<Endpoint> parse_endpoint(const std::string& text);

// Opens `num` UDP sockets inside the network namespace `name` ("" is where we are), each with a
// port of its own and connected to `remote`; non-blocking, with GRO and large buffers. Socket i is
// bound to the address `first_source` + i, which need not be an interface's, unless that is
// unspecified. The calling thread is back in its own namespace afterwards. Needs root for a name.
Result<std::vector<UniqueFd>> open_udp_sockets_in(const std::string& name, std::size_t num,
                                                  const Endpoint& remote,
                                                  const IpAddress& first_source = {});

}  // namespace hawser::load
