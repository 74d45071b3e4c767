#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"

namespace hawser {

enum class CliCommand : std::uint8_t {
  kKeygen,
  kPubkey,
  kCheck,
  kPlan,
  kStatus,
  kTop,
  kReload,
  kConfirm,
  kWait,
  kProbeGolden,
  kProbeLoop,
  kSet,
  kUp,
  kDown,
  kImport,
};

// What was typed after `hawser`. Only the command's own members count.
struct CliArguments {
  CliCommand command = CliCommand::kStatus;

  // Commands that talk to a daemon.
  std::string interface;    // empty: the only one there is; status: all
  std::string control_dir;  // where the control sockets are

  std::string key_file;  // keygen

  std::vector<std::string> set_words;  // set, after the interface
  std::string wg_quick_file;           // up, import; down: perhaps an interface's name
  std::string daemon;                  // up: which hawserd; empty: the one beside this command
  std::string out_dir;                 // import
  std::string own_endpoint;            // import: where others reach this host

  // check, plan; probe: where names come from
  std::string network_file;
  std::string host;
  std::string private_key_file;
  std::string diff_file;   // plan --diff; empty: no
  bool wg_quick = false;   // plan
  bool json = false;       // plan, status
  bool watch = false;      // status
  bool preshared = false;  // keygen

  Duration refresh{};                            // status --watch, top
  std::optional<std::uint32_t> confirm_seconds;  // reload --confirm
  std::optional<std::int32_t> pid;               // reload: of the daemon that is meant

  // wait
  bool wait_for_peers = false;          // to be there
  bool wait_handshake = false;          // to have a session
  std::vector<std::string> wait_peers;  // empty: all
  bool is_surely_interface = false;     // given as --interface: no word to guess at
  // wait: in all; probe: for one answer; status, reload, confirm: for the daemon's
  Duration timeout{};

  // probe
  std::string to;
  std::uint64_t count = 0;  // golden
  Duration duration{};      // loop
  Duration interval{};
  std::optional<Duration> max_gap;  // loop
};

// Either arguments, or a text to print and an exit code: help and version (0, standard output), or
// one line that names what is wrong and the remedy (2, standard error).
struct CliOutcome {
  std::optional<CliArguments> arguments;
  std::string text;
  int exit_code = 0;
};

inline constexpr int kCliUsageError = 2;

// `argv` has the program's name first. Reads HAWSER_CONTROL_DIR.
CliOutcome parse_cli_arguments(int argc, const char* const* argv);

}  // namespace hawser
