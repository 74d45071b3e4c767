// hawserd: the daemon.
#include <fmt/format.h>
#include <signal.h>

#include <cstdio>
#include <cstdlib>
#include <exception>

#include "ctl/background.h"
#include "ctl/daemon.h"
#include "ctl/hardening.h"
#include "ctl/logging.h"
#include "ctl/options.h"
#include "noise/crypto_init.h"
#include "tun/system_clock.h"

namespace hawser {
namespace {

int serve(const DaemonOptions& options, Readiness& readiness) {
  SystemClock clock;
  Logger logger(options, clock);
  harden_process(logger.sink());
  if (!init_crypto()) {
    readiness.report_failure("a cryptographic library does not work on this processor");
    return EXIT_FAILURE;
  }
  const auto daemon = Daemon::make(options, logger);
  if (!daemon) {
    readiness.report_failure(daemon.error().message);
    return EXIT_FAILURE;
  }
  (*daemon)->start();
  if (readiness.in_background()) logger.leave_stderr();
  readiness.report_ready();
  (*daemon)->run();
  return EXIT_SUCCESS;
}

int run(int argc, char** argv) {
  const OptionsOutcome outcome = parse_daemon_options(argc, argv);
  if (!outcome.options) {
    fmt::print(outcome.exit_code == 0 ? stdout : stderr, "{}", outcome.text);
    return outcome.exit_code;
  }
  ::signal(SIGPIPE, SIG_IGN);
  Readiness readiness;
  if (!outcome.options->foreground) {
    const auto parent = go_to_background(readiness);
    if (!parent) {
      readiness.report_failure(parent.error().message);
      return EXIT_FAILURE;
    }
    if (*parent) return **parent;
  }
  try {
    return serve(*outcome.options, readiness);
  } catch (const std::exception& error) {
    readiness.report_failure(error.what());
    return EXIT_FAILURE;
  }
}

}  // namespace
}  // namespace hawser

int main(int argc, char** argv) { return hawser::run(argc, argv); }
