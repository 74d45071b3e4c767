#pragma once
#include <cstdint>

#include "ctl/cli_arguments.h"
#include "ctl/cli_output.h"

namespace hawser {

// `hawser status`, once: of one interface, or of all. `now`: Unix time, seconds.
CliOutput show_status(const CliArguments& arguments, std::int64_t now);

// `hawser reload`: what the daemon refuses is printed whole, a problem a line; then nothing
// changed.
CliOutput reload_network(const CliArguments& arguments);

// `hawser confirm`: keeps what the last reload brought.
CliOutput confirm_reload(const CliArguments& arguments);

// Unix time, seconds.
std::int64_t unix_now();

}  // namespace hawser
