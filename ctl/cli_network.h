#pragma once
#include "ctl/cli_arguments.h"
#include "ctl/cli_output.h"

namespace hawser {

// `hawser check`: every problem on standard output, "FILE:LINE: error: THING: MESSAGE; REMEDY",
// and a last line that counts them. Fails when there are errors; warnings are no failure.
//
// What only the host itself can judge (its addresses, its key, its preshared keys) is looked at
// with --private-key-file.
CliOutput check_network_file(const CliArguments& arguments);

// `hawser plan`: a table, or what --json, --wg-quick or --diff ask for. Problems go to standard
// error; with errors there is no plan. This machine's addresses do not matter here. With --wg-quick
// and --private-key-file the text holds secrets.
CliOutput show_plan(const CliArguments& arguments);

}  // namespace hawser
