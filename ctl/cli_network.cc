#include "ctl/cli_network.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "ctl/cli_text.h"
#include "ctl/key_file.h"
#include "ctl/network_file.h"
#include "ctl/reload.h"
#include "network/load.h"
#include "network/plan.h"
#include "network/plan_diff.h"
#include "network/plan_json.h"
#include "network/plan_table.h"
#include "network/plan_wg_quick.h"
#include "noise/keys.h"

namespace hawser {

namespace {

// A network file as a host sees it, with what it borrows from.
struct Loaded {
  LoadedNetwork network;
  std::optional<PrivateKey> private_key;
};

Result<Loaded> load(const std::string& file, const CliArguments& arguments) {
  const Result<std::string> text = read_network_file(file);
  if (!text) return text.error();
  Loaded loaded;
  CheckContext context;
  context.host = arguments.host;
  PresharedKeyFiles key_files(file);
  std::vector<IpAddress> addresses;
  if (!arguments.private_key_file.empty()) {
    Result<PrivateKey> key = read_private_key_file(arguments.private_key_file);
    if (!key) return key.error();
    loaded.private_key = std::move(*key);
    context.private_key = &*loaded.private_key;
    context.key_files = &key_files;
    // A plan for a stock host may be made anywhere, perhaps on a controller.
    if (arguments.command == CliCommand::kCheck) addresses = read_local_addresses();
    context.local_addresses = addresses;
  }
  loaded.network = load_network(*text, context);
  return loaded;
}

std::string list_problems(const LoadedNetwork& loaded, const std::string& file) {
  std::string text;
  for (const Problem& problem : loaded.problems) text += problem_to_string(problem, file) + "\n";
  return text;
}

std::string describe_hosts(const Network& network) {
  const auto count = [&](HostRole role) { return network.hosts_of(role).size(); };
  if (network.plan != AddressPlan::kControllersAndPeers) {
    return format_count(count(HostRole::kMember), "member");
  }
  return fmt::format("{}, {}", format_count(count(HostRole::kController), "controller"),
                     format_count(count(HostRole::kPeer), "peer"));
}

std::string summarize(const LoadedNetwork& loaded, const std::string& file) {
  const auto num_errors = static_cast<std::size_t>(
      std::count_if(loaded.problems.begin(), loaded.problems.end(),
                    [](const Problem& problem) { return problem.severity == Severity::kError; }));
  const std::size_t num_warnings = loaded.problems.size() - num_errors;
  std::string text = file + ": ";
  if (num_errors > 0) {
    text += format_count(num_errors, "error");
  } else {
    text += fmt::format("ok, network {}, {}", loaded.network.name, describe_hosts(loaded.network));
  }
  if (num_warnings > 0) text += ", " + format_count(num_warnings, "warning");
  return text + "\n";
}

Result<HostPlan> plan_of(const LoadedNetwork& loaded, const std::string& file,
                         const std::string& host) {
  Result<HostPlan> plan = plan_host(loaded.network, host);
  if (!plan) return Error{fmt::format("{}: {}", file, plan.error().message), plan.error().code};
  return plan;
}

CliOutput refuse(const Loaded& loaded, const std::string& file, const CliArguments& arguments) {
  return {{},
          list_problems(loaded.network, file) +
              fmt::format("hawser: {}: there is no plan for {} before that is mended\n", file,
                          arguments.host),
          EXIT_FAILURE};
}

CliOutput show_wg_quick(const HostPlan& plan, const Loaded& loaded, CliOutput output,
                        const CliArguments& arguments) {
  PresharedKeyFiles key_files(arguments.network_file);
  std::string key(kPrivateKeyPlaceholder);
  if (loaded.private_key) key = key_to_base64(loaded.private_key->bytes());
  const Result<std::string> text =
      plan_to_wg_quick(plan, key, loaded.private_key ? &key_files : nullptr);
  wipe({reinterpret_cast<std::uint8_t*>(key.data()), key.size()});
  if (!text) return CliOutput::failure(text.error().message);
  output.out = *text;
  return output;
}

CliOutput show_diff(const HostPlan& plan, CliOutput output, const CliArguments& arguments) {
  // The old file was good enough to run: of it, only what stops a plan is worth a word.
  CliArguments before = arguments;
  before.private_key_file.clear();
  const Result<Loaded> old = load(arguments.diff_file, before);
  if (!old) return CliOutput::failure(old.error().message);
  if (!old->network.usable()) return refuse(*old, arguments.diff_file, arguments);
  const Result<HostPlan> old_plan = plan_of(old->network, arguments.diff_file, arguments.host);
  if (!old_plan) return CliOutput::failure(old_plan.error().message);
  output.out = plan_diff_to_string(diff_plans(*old_plan, plan));
  if (!output.out.ends_with('\n')) output.out += '\n';
  if (const Status possible = check_reload(*old_plan, plan); !possible) {
    output.err += "hawser: a reload would be refused: " + possible.error().message + "\n";
    output.exit_code = EXIT_FAILURE;
  }
  return output;
}

}  // namespace

CliOutput check_network_file(const CliArguments& arguments) {
  const Result<Loaded> loaded = load(arguments.network_file, arguments);
  if (!loaded) return CliOutput::failure(loaded.error().message);
  const LoadedNetwork& network = loaded->network;
  CliOutput output;
  output.out = list_problems(network, arguments.network_file);
  output.out += summarize(network, arguments.network_file);
  if (!network.usable()) output.exit_code = EXIT_FAILURE;
  if (network.usable() && !arguments.host.empty()) {
    const Result<HostPlan> plan = plan_of(network, arguments.network_file, arguments.host);
    if (!plan) return CliOutput::failure(plan.error().message);
  }
  return output;
}

CliOutput show_plan(const CliArguments& arguments) {
  const Result<Loaded> loaded = load(arguments.network_file, arguments);
  if (!loaded) return CliOutput::failure(loaded.error().message);
  if (!loaded->network.usable()) return refuse(*loaded, arguments.network_file, arguments);
  const Result<HostPlan> plan = plan_of(loaded->network, arguments.network_file, arguments.host);
  if (!plan) return CliOutput::failure(plan.error().message);
  CliOutput output;
  output.err = list_problems(loaded->network, arguments.network_file);
  if (arguments.wg_quick) return show_wg_quick(*plan, *loaded, std::move(output), arguments);
  if (!arguments.diff_file.empty()) return show_diff(*plan, std::move(output), arguments);
  output.out = arguments.json ? plan_to_json(*plan) : plan_to_table(*plan);
  return output;
}

}  // namespace hawser
