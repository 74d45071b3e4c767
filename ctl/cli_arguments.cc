#include "ctl/cli_arguments.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <limits>
#include <string_view>
#include <utility>

#include "ctl/cli_text.h"
#include "ctl/control_socket.h"
#include "ctl/reload.h"
#include "ctl/uapi_value.h"
#include "ctl/version.h"
#include "network/nearest_name.h"

namespace hawser {

namespace {

// Probes are kept in mind until they are answered or given up; a million takes tens of megabytes.
constexpr std::uint64_t kMaxProbes = 1'000'000;
constexpr Duration kMinProbeInterval = std::chrono::milliseconds(1);
constexpr Duration kMinRefresh = std::chrono::milliseconds(100);

// Numbers and times as text: one place then checks them and words what is wrong.
struct Texts {
  std::string confirm;
  std::string pid;
  std::string wait_timeout = "30s";
  std::string wait_interface;
  std::string answer_timeout = "3s";
  std::string probe_timeout = "2s";
  std::string count;
  std::string duration;
  std::string interval = "200ms";
  std::string max_gap;
  std::string refresh = "2s";
};

struct Commands {
  CLI::App* keygen = nullptr;
  CLI::App* pubkey = nullptr;
  CLI::App* check = nullptr;
  CLI::App* plan = nullptr;
  CLI::App* status = nullptr;
  CLI::App* top = nullptr;
  CLI::App* reload = nullptr;
  CLI::App* confirm = nullptr;
  CLI::App* wait = nullptr;
  CLI::App* set = nullptr;
  CLI::App* up = nullptr;
  CLI::App* down = nullptr;
  CLI::App* import = nullptr;
  CLI::App* probe = nullptr;
  CLI::App* golden = nullptr;
  CLI::App* loop = nullptr;
  CLI::Option* wait_peers = nullptr;
  CLI::Option* wait_handshake = nullptr;
};

void add_control_dir(CLI::App& app, CliArguments& out) {
  app.add_option("--control-dir", out.control_dir,
                 fmt::format("Where the control sockets are [{}]", kDefaultControlDir))
      ->envname("HAWSER_CONTROL_DIR")
      ->type_name("DIR");
}

void add_interface(CLI::App& app, CliArguments& out, const char* help) {
  app.add_option("INTERFACE", out.interface, help)->type_name("");
  add_control_dir(app, out);
}

constexpr const char* kOnlyOne = "Which interface [the only one]";

void declare_files(CLI::App& app, Commands& commands, CliArguments& out) {
  commands.keygen =
      app.add_subcommand("keygen", "Write a new private key to a file, print its public key");
  commands.keygen->add_option("FILE", out.key_file, "Must not exist yet; gets mode 0600")
      ->required()
      ->type_name("");
  commands.keygen->add_flag("--preshared", out.preshared,
                            "A preshared key instead, for the two hosts of one tunnel");
  commands.pubkey =
      app.add_subcommand("pubkey", "Read a private key from standard input, print its public key");

  commands.check = app.add_subcommand("check", "Find every mistake of a network file");
  commands.plan = app.add_subcommand("plan", "Show what a host of a network runs");
  for (CLI::App* const command : {commands.check, commands.plan}) {
    command->add_option("NETWORK", out.network_file, "The network file")->required()->type_name("");
    CLI::Option* const host =
        command->add_option("--host", out.host, "As which of the network's hosts")
            ->type_name("NAME");
    CLI::Option* const key =
        command
            ->add_option("--private-key-file", out.private_key_file,
                         command == commands.plan
                             ? "The host's private key: must match, and goes into --wg-quick"
                             : "On the host itself: does its key match, are its preshared keys "
                               "there, are its addresses nobody's endpoint?")
            ->type_name("FILE");
    command == commands.plan ? host->required() : key->needs(host);
  }
  CLI::Option* const json = commands.plan->add_flag("--json", out.json, "For programs");
  CLI::Option* const wg_quick = commands.plan->add_flag(
      "--wg-quick", out.wg_quick,
      "A configuration file for stock WireGuard; the private key in it with --private-key-file");
  CLI::Option* const diff =
      commands.plan
          ->add_option("--diff", out.diff_file, "What a reload from OLD to NETWORK would change")
          ->type_name("OLD");
  json->excludes(wg_quick);
  json->excludes(diff);
  wg_quick->excludes(diff);
}

void declare_daemon(CLI::App& app, Commands& commands, CliArguments& out, Texts& texts) {
  commands.status = app.add_subcommand("status", "What hawserd does, one interface or all");
  add_interface(*commands.status, out, "Only this one");
  commands.status->add_flag("--json", out.json, "For programs");
  commands.status->add_flag("--watch", out.watch, "Again and again, until Ctrl-C");
  commands.top =
      app.add_subcommand("top", "The same, live: who sends how much; h for help, q quits");
  add_interface(*commands.top, out, kOnlyOne);
  for (CLI::App* const command : {commands.status, commands.top}) {
    command->add_option("--refresh", texts.refresh, "How often [2s]")->type_name("TIME");
  }

  commands.reload = app.add_subcommand("reload", "Have the daemon run what its network file says");
  add_interface(*commands.reload, out, kOnlyOne);
  commands.reload
      ->add_option("--confirm", texts.confirm,
                   "The old state returns after so long, unless hawser confirm comes in time")
      ->type_name("TIME");
  commands.reload
      ->add_option("--pid", texts.pid, "Of the daemon that is this process, for service managers")
      ->type_name("PID")
      ->excludes(commands.reload->get_option("INTERFACE"));
  commands.confirm = app.add_subcommand("confirm", "Keep what hawser reload --confirm brought");
  add_interface(*commands.confirm, out, kOnlyOne);

  commands.wait = app.add_subcommand("wait", "Wait until a daemon or its peers are ready");
  add_interface(*commands.wait, out, kOnlyOne);
  commands.wait_peers =
      commands.wait->add_flag("--peers", out.wait_for_peers,
                              "Until the daemon answers, its interface is up and its peers are in");
  commands.wait_handshake =
      commands.wait
          ->add_option("--handshake", out.wait_peers,
                       "Until these peers (names or public keys) have a session and answer [all]")
          ->expected(0, -1)
          ->type_name("PEER");
  commands.wait_handshake->excludes(commands.wait_peers);
  commands.wait->add_option("--timeout", texts.wait_timeout, "Then give up and say why [30s]")
      ->type_name("TIME");
  commands.wait
      ->add_option("--interface", texts.wait_interface, "The same as INTERFACE, taken at its word")
      ->type_name("INTERFACE");
  for (CLI::App* const command : {commands.status, commands.reload, commands.confirm}) {
    command->add_option("--timeout", texts.answer_timeout, "How long the daemon may be silent [3s]")
        ->type_name("TIME");
  }
}

void declare_probe(CLI::App& app, Commands& commands, CliArguments& out, Texts& texts) {
  commands.probe = app.add_subcommand("probe", "Send numbered probes through the network");
  commands.probe->require_subcommand(1);
  commands.golden = commands.probe->add_subcommand("golden", "All of them must come back");
  commands.loop = commands.probe->add_subcommand(
      "loop", "Watch which controller carries them, and the longest gap");
  for (CLI::App* const command : {commands.golden, commands.loop}) {
    command->add_option("--to", out.to, "A host of the network, any name, or an address")
        ->required()
        ->type_name("NAME");
    command->add_option("--interval", texts.interval, "Between two probes [200ms]")
        ->type_name("TIME");
    command->add_option("--timeout", texts.probe_timeout, "For the answer to one probe [2s]")
        ->type_name("TIME");
    command->add_option("--interface", out.interface, kOnlyOne)->type_name("INTERFACE");
    command->add_option("--network", out.network_file, "Look names up in this network file")
        ->type_name("FILE");
    add_control_dir(*command, out);
  }
  commands.golden->add_option("--count", texts.count, "How many")->required()->type_name("N");
  commands.loop->add_option("--duration", texts.duration, "For how long")
      ->required()
      ->type_name("TIME");
  commands.loop
      ->add_option("--max-gap", texts.max_gap, "Fail when nothing came back for longer than this")
      ->type_name("TIME");
}

// What a daemon without --network runs.
void declare_interface(CLI::App& app, Commands& commands, CliArguments& out) {
  commands.set = app.add_subcommand("set", "Change what a daemon without --network runs");
  commands.set->add_option("INTERFACE", out.interface, "Which interface")
      ->required()
      ->type_name("");
  add_control_dir(*commands.set, out);
  // The words of wg(8), some of which begin with a sign, are not options.
  commands.set->prefix_command();
  commands.set->footer(
      "Then, as for wg set: [listen-port N] [fwmark N|off] [private-key FILE]\n"
      "  [peer KEY [remove] [preshared-key FILE] [endpoint HOST:PORT]\n"
      "            [persistent-keepalive SECONDS|off] [allowed-ips [+|-]ADDRESS/LENGTH,…]]…\n"
      "All of it is done, or nothing. Keys come from files alone; an empty one removes the key.");

  commands.up =
      app.add_subcommand("up", "Run a wg-quick file: interface, addresses, routes, peers");
  commands.down = app.add_subcommand("down", "End what hawser up started");
  commands.import =
      app.add_subcommand("import", "Make a network file and a key file of a wg-quick file");
  for (CLI::App* const command : {commands.up, commands.down, commands.import}) {
    command
        ->add_option("FILE", out.wg_quick_file,
                     command == commands.down
                         ? "The same file, or the interface's name"
                         : "As wg-quick reads it; NAME.conf, or NAME alone for "
                           "/etc/wireguard/NAME.conf")
        ->required()
        ->type_name("");
  }
  commands.up->footer(
      "Done: keys, peers, MTU, addresses, routes, default routes (by FwMark and Table), DNS by "
      "way\n"
      "of resolvconf, PreUp and PostUp. SaveConfig is a warning. What fails on the way, or is\n"
      "interrupted, is undone.");
  commands.down->footer(
      "Runs the PreDown and PostDown that the file has now; one that fails is said, and the rest "
      "is\n"
      "done. Also removes the rules of a default route that a killed daemon left.");
  add_control_dir(*commands.up, out);
  add_control_dir(*commands.down, out);
  commands.up->add_option("--daemon", out.daemon, "Which hawserd [the one beside this command]")
      ->type_name("PATH");
  commands.import->add_option("--host", out.host, "This host's name in the network [its own]")
      ->type_name("NAME");
  commands.import->add_option("--endpoint", out.own_endpoint, "Where the others reach this host")
      ->type_name("HOST:PORT");
  commands.import->add_option("--out", out.out_dir, "Where the files go [here]")->type_name("DIR");
}

Commands declare(CLI::App& app, CliArguments& out, Texts& texts) {
  app.set_help_flag("-h,--help", "Print this help and exit");
  app.set_version_flag("-V,--version", fmt::format("hawser {}", kVersion));
  app.require_subcommand(1);
  Commands commands;
  declare_files(app, commands, out);
  declare_daemon(app, commands, out, texts);
  declare_interface(app, commands, out);
  declare_probe(app, commands, out, texts);
  app.footer(
      "Times are seconds, or have a unit: 500ms, 30s, 2m, 1h.\n"
      "hawser COMMAND --help says more of each.");
  return commands;
}

// The first thing that is wrong is kept: one line is enough to act on.
class Checker {
 public:
  const std::string& error() const { return error_; }

  void fail(std::string what) {
    if (error_.empty()) error_ = std::move(what);
  }

  Duration span(const char* option, const std::string& text, Duration at_least = Duration(1)) {
    const std::optional<Duration> value = parse_span(text);
    if (!value) {
      fail(fmt::format("{} {}: a time is wanted, in seconds or as 500ms, 30s, 2m", option, text));
    } else if (*value < at_least) {
      fail(fmt::format("{} {} is too short; at least {}", option, text, format_span(at_least)));
    }
    return value.value_or(at_least);
  }

  std::uint64_t number(const char* option, const std::string& text, std::uint64_t most) {
    const auto value = uapi::parse_number(text, most);
    if (!value || *value == 0) {
      fail(fmt::format("{} {}: a number from 1 to {} is wanted", option, text, most));
    }
    return value.value_or(0);
  }

 private:
  std::string error_;
};

CliCommand command_of(const Commands& commands) {
  const std::pair<CLI::App*, CliCommand> all[] = {
      {commands.keygen, CliCommand::kKeygen},  {commands.pubkey, CliCommand::kPubkey},
      {commands.check, CliCommand::kCheck},    {commands.plan, CliCommand::kPlan},
      {commands.status, CliCommand::kStatus},  {commands.top, CliCommand::kTop},
      {commands.reload, CliCommand::kReload},  {commands.confirm, CliCommand::kConfirm},
      {commands.wait, CliCommand::kWait},      {commands.golden, CliCommand::kProbeGolden},
      {commands.loop, CliCommand::kProbeLoop}, {commands.set, CliCommand::kSet},
      {commands.up, CliCommand::kUp},          {commands.down, CliCommand::kDown},
      {commands.import, CliCommand::kImport}};
  for (const auto& [app, command] : all) {
    if (app->parsed()) return command;
  }
  return CliCommand::kStatus;
}

void check_wait(const Commands& commands, const Texts& texts, CliArguments& out, Checker& checker) {
  out.wait_handshake = commands.wait_handshake->count() > 0;
  // Without a value, CLI11 hands over an empty one.
  std::erase(out.wait_peers, "");
  out.timeout = checker.span("--timeout", texts.wait_timeout);
  out.is_surely_interface = !texts.wait_interface.empty();
  if (out.is_surely_interface) {
    if (!out.interface.empty() && out.interface != texts.wait_interface) {
      checker.fail(
          fmt::format("--interface {} and INTERFACE {}: only one can be meant; peers stand "
                      "behind --handshake",
                      texts.wait_interface, out.interface));
    }
    out.interface = texts.wait_interface;
  }
  if (!out.wait_handshake && !out.wait_for_peers) {
    checker.fail("wait for what? --peers, or --handshake [PEER…]");
  }
}

void check_probe(const Texts& texts, CliArguments& out, Checker& checker) {
  out.interval = checker.span("--interval", texts.interval, kMinProbeInterval);
  out.timeout = checker.span("--timeout", texts.probe_timeout, kMinProbeInterval);
  if (out.command == CliCommand::kProbeGolden) {
    out.count = checker.number("--count", texts.count, kMaxProbes);
    return;
  }
  out.duration = checker.span("--duration", texts.duration, kMinProbeInterval);
  if (!texts.max_gap.empty()) out.max_gap = checker.span("--max-gap", texts.max_gap);
}

void check_reload_options(const Commands& commands, const Texts& texts, CliArguments& out,
                          Checker& checker) {
  if (!texts.pid.empty()) {
    out.pid = static_cast<std::int32_t>(
        checker.number("--pid", texts.pid, std::numeric_limits<std::int32_t>::max()));
  }
  if (commands.reload->get_option("--confirm")->count() == 0) return;
  constexpr Duration kSecond = std::chrono::seconds(1);
  const Duration confirm = checker.span("--confirm", texts.confirm, kSecond);
  if (confirm > std::chrono::seconds(kMaxConfirmSeconds)) {
    checker.fail(fmt::format("--confirm {} is too long; at most {}", texts.confirm,
                             format_span(std::chrono::seconds(kMaxConfirmSeconds))));
  }
  out.confirm_seconds =
      static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::seconds>(confirm).count());
}

void check(const Commands& commands, const Texts& texts, CliArguments& out, Checker& checker) {
  switch (out.command) {
    case CliCommand::kStatus:
    case CliCommand::kTop:
      out.refresh = checker.span("--refresh", texts.refresh, kMinRefresh);
      out.timeout = checker.span("--timeout", texts.answer_timeout);
      return;
    case CliCommand::kConfirm:
    case CliCommand::kSet:
    case CliCommand::kUp:
    case CliCommand::kDown:
      out.timeout = checker.span("--timeout", texts.answer_timeout);
      return;
    case CliCommand::kReload:
      out.timeout = checker.span("--timeout", texts.answer_timeout);
      return check_reload_options(commands, texts, out, checker);
    case CliCommand::kWait:
      return check_wait(commands, texts, out, checker);
    case CliCommand::kProbeGolden:
    case CliCommand::kProbeLoop:
      return check_probe(texts, out, checker);
    default:
      return;
  }
}

// "hawser plan", for what help to look at.
std::string command_path(const CLI::App& app) {
  for (const CLI::App* const sub : app.get_subcommands()) {
    return app.get_name() + " " + command_path(*sub);
  }
  return app.get_name();
}

CliOutcome usage_error(const CLI::App& app, std::string_view what) {
  what = what.substr(0, what.find('\n'));
  return {std::nullopt, fmt::format("hawser: {}; see {} --help\n", what, command_path(app)),
          kCliUsageError};
}

// The deepest command that was recognized, which has what it could not recognize.
const CLI::App& deepest(const CLI::App& app) {
  for (const CLI::App* const sub : app.get_subcommands()) return deepest(*sub);
  return app;
}

std::string describe_extras(const CLI::App& app) {
  const CLI::App& at = deepest(app);
  std::vector<std::string> extras = app.remaining(true);
  const std::string word = extras.empty() ? std::string() : extras.front();
  std::vector<std::string> known;
  for (const CLI::Option* const option : at.get_options()) {
    for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
  }
  for (const CLI::App* const sub : at.get_subcommands({})) known.push_back(sub->get_name());
  const std::string_view nearest =
      nearest_name(word, std::vector<std::string_view>(known.begin(), known.end()));
  const char* const kind = word.starts_with('-') ? "option" : "command or argument";
  return nearest.empty() ? fmt::format("unknown {} {}", kind, word)
                         : fmt::format("unknown {} {}; did you mean {}?", kind, word, nearest);
}

}  // namespace

CliOutcome parse_cli_arguments(int argc, const char* const* argv) {
  CLI::App app{"Hawser's command", "hawser"};
  CliArguments out;
  out.control_dir = kDefaultControlDir;
  Texts texts;
  Commands commands;
  try {
    commands = declare(app, out, texts);
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return {std::nullopt, app.help(), 0};
  } catch (const CLI::CallForVersion&) {
    return {std::nullopt, fmt::format("hawser {}\n", kVersion), 0};
  } catch (const CLI::ExtrasError&) {
    return usage_error(app, describe_extras(app));
  } catch (const CLI::RequiredError& error) {
    // Without a command, or with one that is mistyped.
    if (!app.remaining(true).empty()) return usage_error(app, describe_extras(app));
    return usage_error(app, error.what());
  } catch (const CLI::Error& error) {
    return usage_error(app, error.what());
  }
  out.command = command_of(commands);
  if (out.command == CliCommand::kSet) out.set_words = commands.set->remaining();
  Checker checker;
  check(commands, texts, out, checker);
  if (!checker.error().empty()) return usage_error(app, checker.error());
  return {std::move(out), "", 0};
}

}  // namespace hawser
