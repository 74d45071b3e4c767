#pragma once
#include <cstdint>

#include "base/result.h"

namespace hawser::limit {

// A datagram of one byte asks the forwarder to send everything else to where it came from.
inline constexpr std::size_t kHelloLen = 1;

// run_bare_forwarder listens on an IPv4 UDP port and passes on what arrives, in one thread, as
// cheaply as plain system calls can: trains as trains, packets that arrived alone gathered into
// trains. Returns only when something fails; ends with the process.
Error run_bare_forwarder(std::uint16_t port);

}  // namespace hawser::limit
