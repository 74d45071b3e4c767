#pragma once
#include "ctl/cli_arguments.h"
#include "ctl/cli_output.h"

namespace hawser {

// `hawser set`: changes what runs, wherever its control socket is, all or nothing. Where a network
// runs it refuses: the network file says what runs there.
CliOutput set_interface(const CliArguments& arguments);

}  // namespace hawser
