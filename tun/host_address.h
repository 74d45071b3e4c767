#pragma once
#include <libmnl/libmnl.h>

#include <cstdint>
#include <optional>

#include "routing/ip_address.h"

namespace hawser {

// One address of one link.
struct HostAddress {
  IpAddress address;
  std::uint32_t ifindex = 0;
  std::uint8_t length = 0;  // of the prefix that is on the link
};

// Reads an RTM_NEWADDR or RTM_DELADDR. nullopt: of another family, or unsound.
std::optional<HostAddress> parse_address(const nlmsghdr& message);

}  // namespace hawser
