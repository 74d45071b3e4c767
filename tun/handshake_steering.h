#pragma once
#include <cstddef>

#include "base/result.h"
#include "routing/ip_address.h"

namespace hawser {

// Lets the kernel tell transport data from everything else: of the SO_REUSEPORT group that `fd`
// belongs to, whose members are `num_workers` sockets and, bound after them, one more, transport
// data goes to the workers' (a flow stays with one), all other datagrams to that last one. A flood
// of what is not transport data then wakes and delays no worker.
//
// Of a GRO train only the first datagram is looked at, so whoever reads one of these sockets must
// be ready for anything. The program is classic BPF (SO_ATTACH_REUSEPORT_CBPF, Linux 4.5) and needs
// no privilege.
Status steer_handshakes(int fd, IpFamily family, std::size_t num_workers);

}  // namespace hawser
