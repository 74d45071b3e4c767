// hawserd: the daemon.
#include <fmt/format.h>
#include <signal.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ctl/background.h"
#include "ctl/daemon.h"
#include "ctl/hardening.h"
#include "ctl/logging.h"
#include "ctl/network_mode.h"
#include "ctl/options.h"
#include "noise/crypto_init.h"
#include "tun/system_clock.h"

namespace hawser {
namespace {

int serve(DaemonOptions options, Readiness& readiness) {
  const auto fail = [&](const std::string& why) {
    readiness.report_failure(why);
    return EXIT_FAILURE;
  };
  // What there is to say before there is a logger, which has the interface's name.
  std::vector<std::pair<LogLevel, std::string>> early;
  harden_process([&](LogLevel level, const std::string& text) { early.emplace_back(level, text); });
  for (const std::string& line : options.warnings) early.emplace_back(LogLevel::kWarning, line);
  if (!init_crypto()) return fail("a cryptographic library does not work on this processor");
  std::optional<LoadedPlan> network;
  if (options.network) {
    Result<LoadedPlan> loaded = load_network_plan(options);
    if (!loaded) return fail(loaded.error().message);
    if (Status adopted = adopt_plan(options, loaded->plan); !adopted) {
      return fail(adopted.error().message);
    }
    for (const std::string& line : loaded->warnings) early.emplace_back(LogLevel::kWarning, line);
    network = std::move(*loaded);
  }
  std::optional<LogFile> log_file;
  if (!options.log_file.empty()) {
    Result<LogFile> opened = LogFile::open(options.log_file);
    if (!opened) return fail(opened.error().message);
    log_file = std::move(*opened);
  }
  SystemClock clock;
  Logger logger(options, clock, std::move(log_file));
  for (const auto& [level, text] : early) logger.say(level, text);
  const auto daemon = Daemon::make(options, logger, std::move(network));
  if (!daemon) {
    logger.flush();
    return fail(daemon.error().message);
  }
  (*daemon)->start();
  if (readiness.in_background()) logger.leave_stderr();
  readiness.report_ready();
  return (*daemon)->run() ? EXIT_SUCCESS : EXIT_FAILURE;
}

int run(int argc, char** argv) {
  const OptionsOutcome outcome = parse_daemon_options(argc, argv);
  if (!outcome.options) {
    fmt::print(outcome.exit_code == 0 ? stdout : stderr, "{}", outcome.text);
    return outcome.exit_code;
  }
  ::signal(SIGPIPE, SIG_IGN);
  // Their default would end us: USR1 shows the status once we run, USR2 has no meaning.
  ::signal(SIGUSR1, SIG_IGN);
  ::signal(SIGUSR2, SIG_IGN);
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
