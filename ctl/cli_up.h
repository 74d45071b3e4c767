#pragma once
#include "ctl/cli_arguments.h"
#include "ctl/cli_output.h"

namespace hawser {

// `hawser up`: starts hawserd for the interface of a wg-quick file and sets it up: keys, peers,
// MTU, addresses, routes. What the file wants and hawser up cannot do is refused before anything is
// done; what fails on the way, or a signal then, ends the daemon again, and the interface goes with
// it.
CliOutput bring_up(const CliArguments& arguments);

// `hawser down`: ends that daemon and waits until its interface is gone. Refuses where a network
// runs, and where the file is there and has what only wg-quick does: its hooks and routes.
CliOutput bring_down(const CliArguments& arguments);

}  // namespace hawser
