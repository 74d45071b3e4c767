#include "ctl/cli_set.h"

#include <fmt/format.h>

#include "ctl/set_request.h"
#include "ctl/status_client.h"

namespace hawser {

CliOutput set_interface(const CliArguments& arguments) {
  const std::string& interface = arguments.interface;
  Result<DeviceChange> change = read_set_words(arguments.set_words);
  if (!change) {
    CliOutput output =
        CliOutput::failure(fmt::format("set {}: {}", interface, change.error().message));
    output.exit_code = kCliUsageError;
    return output;
  }
  const auto status = query_status(arguments.control_dir, interface, arguments.timeout);
  if (!status && status.error().code != EOPNOTSUPP) {
    return CliOutput::failure(status.error().message);
  }
  if (status && !status_value(status->device, "network").empty()) {
    return CliOutput::failure(
        fmt::format("{} runs the network {}: edit the network file, then hawser reload {}",
                    interface, status_value(status->device, "network"), interface));
  }
  const Status done =
      request_set(arguments.control_dir, interface, make_set_request(*change).view());
  return done ? CliOutput{} : CliOutput::failure(done.error().message);
}

}  // namespace hawser
