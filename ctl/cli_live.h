#pragma once
#include "ctl/cli_arguments.h"

namespace hawser {

// Both run until q, Ctrl-C or SIGTERM and return the exit code. A daemon that goes away is waited
// for.

// `hawser status --watch`: the status again and again; on a terminal in the same place.
int watch_status(const CliArguments& arguments);

// `hawser top`: needs a terminal.
int run_top(const CliArguments& arguments);

}  // namespace hawser
