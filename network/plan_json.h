#pragma once
#include <string>

#include "network/plan.h"

namespace hawser {

// What `hawser plan --json` prints: one object, indented by two, with a newline at the end.
//   {"host", "role", "interface": {"name", "addresses": ["ADDR/LEN"], "listen_port", "mtu"},
//    "peers": [{"name", "public_key", "endpoint", "allowed_ips": [], "persistent_keepalive"}],
//    "routes": [], "hosts": [{"name", "address"}]}
// What a host or peer has not (listen port, endpoint, keepalive) is null. No secrets.
std::string plan_to_json(const HostPlan& plan);

}  // namespace hawser
