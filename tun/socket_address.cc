#include "tun/socket_address.h"

#include <cstring>

namespace hawser {

socklen_t to_socket_address(SocketAddress& out, const Endpoint& endpoint) {
  if (endpoint.address.family == IpFamily::kV4) {
    out.v4 = sockaddr_in{};
    out.v4.sin_family = AF_INET;
    out.v4.sin_port = htons(endpoint.port);
    std::memcpy(&out.v4.sin_addr, endpoint.address.bytes.data(), sizeof out.v4.sin_addr);
    return sizeof out.v4;
  }
  out.v6 = sockaddr_in6{};
  out.v6.sin6_family = AF_INET6;
  out.v6.sin6_port = htons(endpoint.port);
  out.v6.sin6_scope_id = endpoint.scope_id;
  std::memcpy(&out.v6.sin6_addr, endpoint.address.bytes.data(), sizeof out.v6.sin6_addr);
  return sizeof out.v6;
}

bool from_socket_address(Endpoint& out, const void* raw, std::size_t len) {
  sa_family_t family = AF_UNSPEC;
  if (len < sizeof family) return false;
  std::memcpy(&family, raw, sizeof family);
  out.address = IpAddress{};
  if (family == AF_INET && len >= sizeof(sockaddr_in)) {
    sockaddr_in v4;
    std::memcpy(&v4, raw, sizeof v4);
    out.address.family = IpFamily::kV4;
    std::memcpy(out.address.bytes.data(), &v4.sin_addr, sizeof v4.sin_addr);
    out.port = ntohs(v4.sin_port);
    out.scope_id = 0;
    return true;
  }
  if (family == AF_INET6 && len >= sizeof(sockaddr_in6)) {
    sockaddr_in6 v6;
    std::memcpy(&v6, raw, sizeof v6);
    out.address.family = IpFamily::kV6;
    std::memcpy(out.address.bytes.data(), &v6.sin6_addr, sizeof v6.sin6_addr);
    out.port = ntohs(v6.sin6_port);
    out.scope_id = v6.sin6_scope_id;
    return true;
  }
  return false;
}

}  // namespace hawser
