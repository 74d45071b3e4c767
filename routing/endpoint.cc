#include "routing/endpoint.h"

namespace hawser {

std::string Endpoint::to_string() const {
  const std::string port_text = ':' + std::to_string(port);
  if (address.family == IpFamily::kV4) return address.to_string() + port_text;
  const std::string zone = scope_id == 0 ? std::string() : '%' + std::to_string(scope_id);
  return '[' + address.to_string() + zone + ']' + port_text;
}

}  // namespace hawser
