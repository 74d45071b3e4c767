#include "tun/policy_rule.h"

#include <linux/fib_rules.h>
#include <sys/socket.h>

#include <cstdint>

#include "tun/netlink_attributes.h"

namespace hawser {

namespace {

enum class Whose : std::uint8_t { kOurs, kOthers };

std::optional<PolicyRule> parse(const nlmsghdr& message, Whose whose) {
  if (mnl_nlmsg_get_payload_len(&message) < sizeof(fib_rule_hdr)) return std::nullopt;
  const auto* const header = static_cast<const fib_rule_hdr*>(mnl_nlmsg_get_payload(&message));
  if (header->family != AF_INET && header->family != AF_INET6) return std::nullopt;
  PolicyRule rule;
  rule.family = header->family == AF_INET ? IpFamily::kV4 : IpFamily::kV6;
  rule.table = header->table;
  bool is_ours = false;
  for_each_attribute(message, sizeof(fib_rule_hdr), [&](const nlattr& attribute) {
    switch (mnl_attr_get_type(&attribute)) {
      case FRA_PRIORITY:
        rule.priority = attribute_u32(attribute);
        break;
      case FRA_TABLE:
        rule.table = attribute_u32(attribute);
        break;
      case FRA_FWMARK:
        rule.unless_mark = attribute_u32(attribute);
        break;
      case FRA_SUPPRESS_PREFIXLEN:
        rule.ignores_default = attribute_u32(attribute) == 0;
        break;
      case FRA_PROTOCOL:
        is_ours = mnl_attr_get_payload_len(&attribute) == 1 &&
                  mnl_attr_get_u8(&attribute) == kRouteProtocol;
        break;
      default:
        break;
    }
  });
  if (is_ours != (whose == Whose::kOurs)) return std::nullopt;
  return rule;
}

}  // namespace

std::optional<PolicyRule> parse_rule(const nlmsghdr& message) {
  return parse(message, Whose::kOurs);
}

std::optional<PolicyRule> parse_rule_of_others(const nlmsghdr& message) {
  return parse(message, Whose::kOthers);
}

}  // namespace hawser
