#include "ctl/wg_quick_hooks.h"

#include <fmt/format.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "ctl/child_process.h"

namespace hawser {

namespace {

std::string how_it_ended(int status) {
  if (WIFSIGNALED(status)) return fmt::format("was ended by signal {}", WTERMSIG(status));
  return fmt::format("failed with exit status {}", WEXITSTATUS(status));
}

Status run_hook(const WgQuickSetting& hook, const WgQuickName& name, bool stops) {
  ChildProgram shell;
  shell.stops = stops;
  // As wg-quick has them: the first command of a hook that fails is the hook's failure.
  shell.argv = {"bash", "-e",      "-o", "pipefail",
                "-O",   "extglob", "-c", hook_command(hook.value, name.interface)};
  const Result<int> status = run_program(shell);
  if (!status && status.error().code == EINTR) return status.error();
  if (!status) {
    return Error{fmt::format("{}:{}: {}: {}; install bash, which runs hooks as wg-quick does",
                             name.path, hook.line, hook.key, status.error().message),
                 status.error().code};
  }
  if (*status == 0) return {};
  return Error{fmt::format("{}:{}: {} {}", name.path, hook.line, hook.key, how_it_ended(*status)),
               ECHILD};
}

}  // namespace

std::string hook_command(std::string_view command, const std::string& interface) {
  constexpr std::string_view kName = "%i";
  std::string out;
  while (true) {
    const std::size_t place = command.find(kName);
    out.append(command.substr(0, place));
    if (place == std::string_view::npos) return out;
    out += interface;
    command.remove_prefix(place + kName.size());
  }
}

bool has_hooks(const WgQuickFile& file, std::string_view key) {
  return std::any_of(file.hooks.begin(), file.hooks.end(),
                     [&](const WgQuickSetting& hook) { return hook.key == key; });
}

Status run_hooks(const WgQuickFile& file, std::string_view key, const WgQuickName& name,
                 HookRun how) {
  std::optional<Error> failed;
  for (const WgQuickSetting& hook : file.hooks) {
    if (hook.key != key) continue;
    Status done = run_hook(hook, name, how.stops);
    if (done) continue;
    Error error = done.error();
    if (failed) error.message = failed->message + "\n" + error.message;
    failed = std::move(error);
    if (!how.goes_on || failed->code == EINTR) break;
  }
  return failed ? Status(*failed) : Status();
}

}  // namespace hawser
