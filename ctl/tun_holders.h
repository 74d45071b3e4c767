#pragma once
#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace hawser {

// The processes that have the TUN device of an interface open, as /proc says, of which only root
// sees all. Interfaces of this name may be in several network namespaces.
std::vector<pid_t> tun_holders(const std::string& interface);

// The one of them that has it open alone in its network namespace, if `pid` is that: whoever ends
// it ends the interface, and nobody else's.
bool is_only_tun_holder(pid_t pid, const std::string& interface);

// Are a process and we in one network namespace? nullopt: /proc does not say.
std::optional<bool> shares_network_namespace(pid_t pid);
// Has the network namespace of a process an interface of this name?
bool has_interface(pid_t pid, const std::string& interface);

}  // namespace hawser
