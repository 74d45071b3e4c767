#pragma once
#include "base/log_sink.h"

namespace hawser {

// Keeps keys out of files and other processes, for the whole process: no core dumps, not dumpable
// (so neither ptrace(2) nor /proc/PID/mem for other processes of the same user), and, where the
// process may lock memory without bound, nothing of it is ever swapped out. Without that privilege
// (a --no-tun forwarder) memory can be swapped; the log says so once, at debug level. Locking
// covers all memory because keys travel through values and buffers everywhere; only pages that are
// really used are locked (MCL_ONFAULT).
void harden_process(const LogSink& log);

}  // namespace hawser
