#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "routing/ip_address.h"

namespace hawser {

// EndpointName is an endpoint as people write it: a host name or an address, and a port. Names are
// resolved by whoever runs the plan.
struct EndpointName {
  std::string host;  // without brackets
  std::uint16_t port = 0;

  // Set when `host` is an address and not a name.
  std::optional<IpAddress> address() const { return IpAddress::parse(host); }
  // "vpn1.example.com:51820", "192.0.2.1:51820", "[2001:db8::1]:51820".
  std::string to_string() const;

  friend bool operator==(const EndpointName&, const EndpointName&) = default;
};

// Parses the forms that to_string() prints. On failure `fault` says what is wrong, for a message.
std::optional<EndpointName> parse_endpoint_name(std::string_view text, std::string& fault);

}  // namespace hawser
