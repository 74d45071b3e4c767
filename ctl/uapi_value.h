#pragma once
// Values of the cross-platform UAPI's key=value lines. Each function takes the text after '=' and
// returns nullopt (or false) for anything that is not exactly such a value. No system call.
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>

#include "dataplane/change.h"
#include "noise/constants.h"

namespace hawser {

// From the name of an interface to its index; 0: there is none. The daemon's is if_nametoindex(3).
using ZoneResolver = std::function<std::uint32_t(std::string_view)>;

namespace uapi {

// Decimal digits and nothing else, 0 … max.
std::optional<std::uint64_t> parse_number(std::string_view text, std::uint64_t max);

// 64 hexadecimal digits of either case. On false `out` is unspecified. Constant time in the digits.
[[nodiscard]] bool parse_key(std::span<std::uint8_t, kKeyLen> out, std::string_view text);

// "192.0.2.1:51820", "[2001:db8::1]:51820", "[fe80::1%eth0]:51820", "[fe80::1%3]:51820"; never a
// host name. An IPv4-mapped IPv6 address becomes the IPv4 address that it stands for (our IPv6
// socket carries IPv6 alone). A zone is kept only for a link-local address, where it means
// something. Port 0 is nothing that can be sent to: nullopt.
std::optional<Endpoint> parse_endpoint(std::string_view text, const ZoneResolver& resolve_zone);

// "IP/len", or "-IP/len" for a removal; host bits are masked.
std::optional<AllowedIpChange> parse_allowed_ip(std::string_view text);

}  // namespace uapi

// A firewall mark as wg(8) takes it, and not as the UAPI carries it: decimal, "0x…", or "off" for
// 0.
std::optional<std::uint32_t> parse_mark(std::string_view text);

}  // namespace hawser
