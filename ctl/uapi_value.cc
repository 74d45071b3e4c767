#include "ctl/uapi_value.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include "base/hex.h"

namespace hawser::uapi {

std::optional<std::uint64_t> parse_number(std::string_view text, std::uint64_t max) {
  // from_chars would take a leading '-' for a signed type only; still, say what we mean.
  if (text.empty() || text.front() < '0' || text.front() > '9') return std::nullopt;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value > max) return std::nullopt;
  return value;
}

bool parse_key(std::span<std::uint8_t, kKeyLen> out, std::string_view text) {
  return from_hex(out, text);
}

namespace {

std::optional<std::uint32_t> parse_zone(std::string_view zone, const ZoneResolver& resolve_zone) {
  if (zone.empty()) return std::nullopt;
  constexpr std::uint64_t kMaxIndex = std::numeric_limits<std::int32_t>::max();
  if (const auto number = parse_number(zone, kMaxIndex); number && *number > 0) {
    return static_cast<std::uint32_t>(*number);
  }
  const std::uint32_t index = resolve_zone ? resolve_zone(zone) : 0;
  if (index == 0) return std::nullopt;
  return index;
}

// RFC 4291 §2.5.5.2.
std::optional<IpAddress> unmap(const IpAddress& address) {
  constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (address.family != IpFamily::kV6) return std::nullopt;
  if (!std::equal(kMapped.begin(), kMapped.end(), address.bytes.begin())) return std::nullopt;
  return IpAddress::v4(std::span(address.bytes).subspan<12, 4>());
}

// What stands between '[' and ']'.
bool parse_v6_host(Endpoint& out, std::string_view host, const ZoneResolver& resolve_zone) {
  const std::size_t percent = host.find('%');
  const auto address = IpAddress::parse(host.substr(0, percent));
  if (!address || address->family != IpFamily::kV6) return false;
  out.address = *address;
  if (percent != std::string_view::npos) {
    const auto zone = parse_zone(host.substr(percent + 1), resolve_zone);
    if (!zone) return false;
    if (address->is_link_local()) out.scope_id = *zone;
  }
  if (const auto v4 = unmap(*address)) out.address = *v4;
  return true;
}

bool parse_v4_host(Endpoint& out, std::string_view host) {
  const auto address = IpAddress::parse(host);
  if (!address || address->family != IpFamily::kV4) return false;
  out.address = *address;
  return true;
}

}  // namespace

std::optional<Endpoint> parse_endpoint(std::string_view text, const ZoneResolver& resolve_zone) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto port = parse_number(text.substr(colon + 1), std::numeric_limits<std::uint16_t>::max());
  if (!port || *port == 0) return std::nullopt;

  Endpoint endpoint;
  endpoint.port = static_cast<std::uint16_t>(*port);
  const std::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  const bool ok = bracketed ? parse_v6_host(endpoint, host.substr(1, host.size() - 2), resolve_zone)
                            : parse_v4_host(endpoint, host);
  if (!ok) return std::nullopt;
  return endpoint;
}

std::optional<AllowedIpChange> parse_allowed_ip(std::string_view text) {
  AllowedIpChange change;
  if (text.starts_with('-')) {
    change.remove = true;
    text.remove_prefix(1);
  }
  // Prefix::parse would take a bare address for a host prefix; the UAPI always names the length.
  if (text.find('/') == std::string_view::npos) return std::nullopt;
  const auto prefix = Prefix::parse(text);
  if (!prefix) return std::nullopt;
  change.prefix = *prefix;
  return change;
}

}  // namespace hawser::uapi

namespace hawser {

std::optional<std::uint32_t> parse_mark(std::string_view text) {
  if (text == "off") return 0;
  const bool is_hex = text.starts_with("0x") || text.starts_with("0X");
  if (is_hex) text.remove_prefix(2);
  std::uint32_t mark = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, mark, is_hex ? 16 : 10);
  if (text.empty() || parsed.ec != std::errc{} || parsed.ptr != end) return std::nullopt;
  return mark;
}

}  // namespace hawser
