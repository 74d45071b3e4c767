#include "ctl/cli_live.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "ctl/cli_control.h"
#include "ctl/cli_top.h"
#include "ctl/interface_status.h"
#include "ctl/terminal.h"
#include "tun/system_clock.h"

namespace hawser {

namespace {

constexpr const char* kClearScreen = "\x1b[H\x1b[2J\x1b[3J";
constexpr std::string_view kHelpKeys = "hH?";
constexpr char kQuitKeys[] = "qQ\x03";  // Ctrl-C arrives as a byte in raw mode

}  // namespace

int watch_status(const CliArguments& arguments) {
  const StopSignals signals;
  const bool in_place = ::isatty(STDOUT_FILENO) == 1 && !arguments.json;
  bool first = true;
  while (!StopSignals::seen()) {
    const CliOutput output = show_status(arguments, unix_now());
    const char* const before = in_place ? kClearScreen : first || arguments.json ? "" : "\n";
    fmt::print("{}{}", before, output.out);
    // Whoever read it is gone: head(1), or a pager that was quit.
    if (std::fflush(stdout) != 0) return EXIT_FAILURE;
    fmt::print(stderr, "{}", output.err);
    first = false;
    StopSignals::wait(arguments.refresh);
  }
  return EXIT_SUCCESS;
}

int run_top(const CliArguments& arguments) {
  // A mistake is to be said on the usual screen.
  if (const Result<InterfaceStatus> status =
          query_interface(arguments.control_dir, arguments.interface);
      !status) {
    fmt::print(stderr, "hawser: {}\n", status.error().message);
    return EXIT_FAILURE;
  }
  const StopSignals signals;
  const Result<Terminal> terminal = Terminal::open();
  if (!terminal) {
    fmt::print(stderr, "hawser: {}\n", terminal.error().message);
    return EXIT_FAILURE;
  }
  RateMeter rates;
  bool helping = false;
  while (!StopSignals::seen()) {
    const Result<InterfaceStatus> status =
        query_interface(arguments.control_dir, arguments.interface);
    const Terminal::Size size = terminal->size();
    if (status) rates.add(*status, boot_now());
    if (helping) {
      terminal->show(render_top_help(size.rows, size.columns));
    } else if (status) {
      terminal->show(render_top(*status, rates, unix_now(), size.rows, size.columns));
    } else {
      terminal->show(status.error().message.substr(0, size.columns));
    }
    const std::optional<char> key = terminal->wait_key(arguments.refresh);
    if (!key) continue;
    if (std::string_view(kQuitKeys).find(*key) != std::string_view::npos) break;
    helping = !helping && kHelpKeys.find(*key) != std::string_view::npos;
  }
  return EXIT_SUCCESS;
}

}  // namespace hawser
