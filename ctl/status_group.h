#pragma once
#include <sys/types.h>

#include <optional>

namespace hawser {

// Members of this group may ask for the status, and for nothing else.
inline constexpr const char* kStatusGroup = "hawser";

// Its number in /etc/group; nullopt: this host has none. Directory services are not asked: a start
// waits for nobody.
std::optional<gid_t> find_status_group();

}  // namespace hawser
