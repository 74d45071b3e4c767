#include "ctl/cli_control.h"

#include <fmt/format.h>

#include <chrono>
#include <string>
#include <vector>

#include "ctl/cli_text.h"
#include "ctl/status_client.h"
#include "ctl/status_text.h"

namespace hawser {

std::int64_t unix_now() {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(since).count();
}

CliOutput show_status(const CliArguments& arguments, std::int64_t now) {
  std::vector<std::string> interfaces{arguments.interface};
  if (arguments.interface.empty()) interfaces = list_interfaces(arguments.control_dir);
  CliOutput output;
  std::vector<StatusAnswer> answers;
  for (const std::string& interface : interfaces) {
    Result<StatusAnswer> answer = query_status(arguments.control_dir, interface, arguments.timeout);
    if (answer) {
      answers.push_back(std::move(*answer));
    } else {
      output.err += CliOutput::failure(answer.error().message).err;
      output.exit_code = EXIT_FAILURE;
    }
  }
  if (arguments.json) {
    output.out = status_to_json(answers);
    return output;
  }
  if (interfaces.empty()) {
    output.out = fmt::format("no daemon listens in {}\n", arguments.control_dir);
  }
  for (std::size_t i = 0; i < answers.size(); ++i) {
    output.out += (i == 0 ? "" : "\n") + format_status(answers[i], now);
  }
  return output;
}

CliOutput reload_network(const CliArguments& arguments) {
  const Result<std::string> interface =
      arguments.pid
          ? interface_of_process(arguments.control_dir, *arguments.pid)
          : choose_interface(arguments.control_dir, arguments.interface, arguments.timeout);
  if (!interface) return CliOutput::failure(interface.error().message);
  std::string request = "do=reload\n";
  if (arguments.confirm_seconds) request += fmt::format("confirm={}\n", *arguments.confirm_seconds);
  if (const Status done =
          request_action(arguments.control_dir, *interface, request, arguments.timeout);
      !done) {
    return CliOutput::failure(fmt::format("{} runs on as before; the reload was refused:\n{}",
                                          *interface, done.error().message));
  }
  if (!arguments.confirm_seconds) return {fmt::format("{}: reloaded\n", *interface), {}};
  return {fmt::format("{0}: reloaded; the old state returns in {1} unless you say: hawser confirm "
                      "{0}\n",
                      *interface, format_age(*arguments.confirm_seconds)),
          {}};
}

CliOutput confirm_reload(const CliArguments& arguments) {
  const Result<std::string> interface =
      choose_interface(arguments.control_dir, arguments.interface, arguments.timeout);
  if (!interface) return CliOutput::failure(interface.error().message);
  if (const Status done =
          request_action(arguments.control_dir, *interface, "do=confirm\n", arguments.timeout);
      !done) {
    return CliOutput::failure(fmt::format("{}: {}", *interface, done.error().message));
  }
  return {fmt::format("{}: confirmed\n", *interface), {}};
}

}  // namespace hawser
