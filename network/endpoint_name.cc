#include "network/endpoint_name.h"

#include <charconv>

#include "network/name_rules.h"

namespace hawser {
namespace {

std::optional<std::uint16_t> parse_port(std::string_view digits) {
  std::uint16_t port = 0;
  const char* const end = digits.data() + digits.size();
  const auto [stopped, error] = std::from_chars(digits.data(), end, port);
  if (error != std::errc{} || stopped != end || port == 0) return {};
  return port;
}

std::string host_fault(std::string_view host, bool bracketed) {
  if (host.empty()) return "has no host before the port";
  if (bracketed) {
    if (host.find('%') != std::string_view::npos) {
      return "names a zone, which means something else on every host";
    }
    const std::optional<IpAddress> address = IpAddress::parse(host);
    if (!address || address->family != IpFamily::kV6) {
      return "has no IPv6 address between its brackets";
    }
    const bool is_mapped = Prefix(*IpAddress::parse("::ffff:0.0.0.0"), 96).contains(*address);
    return is_mapped ? "holds an IPv4 address written as an IPv6 one" : "";
  }
  if (host.find(':') != std::string_view::npos &&
      host.find_first_not_of("0123456789abcdefABCDEF:.%") == std::string_view::npos) {
    return "holds an IPv6 address without brackets";
  }
  // A name of digits and dots alone can only be a mistyped address.
  if (host.find_first_not_of("0123456789.") == std::string_view::npos && !IpAddress::parse(host)) {
    return "has a malformed IPv4 address";
  }
  // A dot at the end keeps resolvers from trying their search domains.
  if (host.ends_with('.')) host.remove_suffix(1);
  const std::string fault = domain_name_fault(host);
  return fault.empty() ? "" : "has a host name that " + fault;
}

}  // namespace

std::string EndpointName::to_string() const {
  const std::string port_text = ':' + std::to_string(port);
  if (host.find(':') != std::string::npos) return '[' + host + ']' + port_text;
  return host + port_text;
}

std::optional<EndpointName> parse_endpoint_name(std::string_view text, std::string& fault) {
  const std::size_t colon = text.rfind(':');
  const bool bracketed = text.starts_with('[');
  if (colon == std::string_view::npos || (bracketed && text.ends_with(']')) ||
      (!bracketed && IpAddress::parse(text))) {
    fault = "has no port";
    return {};
  }
  std::string_view host = text.substr(0, colon);
  if (bracketed) {
    if (!host.ends_with(']')) {
      fault = "has a bracket that is not closed";
      return {};
    }
    host = host.substr(1, host.size() - 2);
  }
  fault = host_fault(host, bracketed);
  if (!fault.empty()) return {};
  const std::optional<std::uint16_t> port = parse_port(text.substr(colon + 1));
  if (!port) {
    fault = "has a port that is not a number from 1 to 65535";
    return {};
  }
  // One spelling for one address, so that equal endpoints compare equal.
  const std::optional<IpAddress> address = IpAddress::parse(host);
  return EndpointName{address ? address->to_string() : std::string(host), *port};
}

}  // namespace hawser
