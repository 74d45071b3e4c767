#pragma once
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstddef>

#include "routing/endpoint.h"

namespace hawser {

// SocketAddress is what the socket calls want, for either family.
union SocketAddress {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;
};

// Writes the remote address, port and scope of `endpoint`; returns the length that its family has.
socklen_t to_socket_address(SocketAddress& out, const Endpoint& endpoint);

// Reads remote address, port and scope from `len` bytes at `raw` (any alignment); the local half
// is left as it is. False: another family, or too short.
bool from_socket_address(Endpoint& out, const void* raw, std::size_t len);

}  // namespace hawser
