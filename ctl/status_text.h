#pragma once
#include <cstdint>
#include <string>

#include "ctl/status_client.h"

namespace hawser {

// The status for people: the interface, of a network its controllers with what each of them carries
// now, then every peer. Units, ages (against `now`, Unix time in seconds), keys in base64.
std::string format_status(const StatusAnswer& answer, std::int64_t now);

}  // namespace hawser
