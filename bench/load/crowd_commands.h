#pragma once
// What bench/scale asks of hawser-load.
#include "base/result.h"
#include "bench/load/options.h"

namespace hawser::load {

// crowd-config: to standard output.
void print_crowd_config(const CrowdConfigOptions& options);

// crowd: prints {"ready": N}, then answers each line "connect SPREAD TIMEOUT" of standard input
// with one of JSON, until it ends.
Status run_crowd(const CrowdOptions& options);

// respond: prints one JSON object: what was answered, in how much time, of which the process'
// handshake thread (if it is named so) and the whole process used how much.
Status run_respond(const RespondOptions& options);

}  // namespace hawser::load
