// hawser: the command that people type.
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>

#include "ctl/cli_arguments.h"
#include "ctl/cli_control.h"
#include "ctl/cli_import.h"
#include "ctl/cli_keys.h"
#include "ctl/cli_live.h"
#include "ctl/cli_network.h"
#include "ctl/cli_output.h"
#include "ctl/cli_probe.h"
#include "ctl/cli_set.h"
#include "ctl/cli_up.h"
#include "ctl/cli_wait.h"
#include "noise/crypto_init.h"
#include "tun/system_random.h"

namespace hawser {
namespace {

int print(const CliOutput& output) {
  fmt::print("{}", output.out);
  // A plan that was cut off by a full disk is no plan.
  const bool written = std::fflush(stdout) == 0;
  fmt::print(stderr, "{}", output.err);
  if (!written) fmt::print(stderr, "hawser: standard output cannot be written\n");
  return written ? output.exit_code : EXIT_FAILURE;
}

int run_command(const CliArguments& arguments) {
  switch (arguments.command) {
    case CliCommand::kKeygen: {
      SystemRandom random;
      return print(make_key(arguments, random));
    }
    case CliCommand::kPubkey:
      return print(derive_public_key(std::cin));
    case CliCommand::kCheck:
      return print(check_network_file(arguments));
    case CliCommand::kPlan:
      return print(show_plan(arguments));
    case CliCommand::kStatus:
      return arguments.watch ? watch_status(arguments) : print(show_status(arguments, unix_now()));
    case CliCommand::kTop:
      return run_top(arguments);
    case CliCommand::kReload:
      return print(reload_network(arguments));
    case CliCommand::kConfirm:
      return print(confirm_reload(arguments));
    case CliCommand::kWait:
      return print(wait_until_ready(arguments, make_wait_ports(arguments)));
    case CliCommand::kProbeGolden:
    case CliCommand::kProbeLoop:
      return run_probe(arguments);
    case CliCommand::kSet:
      return print(set_interface(arguments));
    case CliCommand::kUp:
      return print(bring_up(arguments));
    case CliCommand::kDown:
      return print(bring_down(arguments));
    case CliCommand::kImport:
      return print(import_wg_quick(arguments));
  }
  return EXIT_FAILURE;
}

int run(int argc, char** argv) {
  const CliOutcome outcome = parse_cli_arguments(argc, argv);
  if (!outcome.arguments) {
    fmt::print(outcome.exit_code == 0 ? stdout : stderr, "{}", outcome.text);
    return outcome.exit_code;
  }
  if (!init_crypto()) {
    fmt::print(stderr, "hawser: a cryptographic library does not work on this processor\n");
    return EXIT_FAILURE;
  }
  return run_command(*outcome.arguments);
}

}  // namespace
}  // namespace hawser

int main(int argc, char** argv) {
  try {
    return hawser::run(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "hawser: {}\n", error.what());
    return EXIT_FAILURE;
  }
}
