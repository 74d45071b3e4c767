#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "routing/ip_address.h"

namespace hawser {

// Endpoint is where a peer is reached over UDP, and how to reach it the way it was last heard.
struct Endpoint {
  IpAddress address;
  std::uint16_t port = 0;      // host order
  std::uint32_t scope_id = 0;  // interface index of a link-local IPv6 address, else 0

  // Sticky source: the local address (and interface) on which the peer was heard. Unspecified
  // and 0: let the kernel choose.
  IpAddress local_address;
  std::uint32_t local_ifindex = 0;

  bool same_remote(const Endpoint& other) const {
    return address == other.address && port == other.port && scope_id == other.scope_id;
  }
  void forget_source() {
    local_address = IpAddress{};
    local_ifindex = 0;
  }
  // "192.0.2.1:51820", "[2001:db8::1]:51820", "[fe80::1%3]:51820" (a zone by its number).
  std::string to_string() const;

  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

}  // namespace hawser
