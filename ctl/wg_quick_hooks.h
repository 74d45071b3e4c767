#pragma once
#include <string>
#include <string_view>

#include "base/result.h"
#include "ctl/wg_quick_file.h"

namespace hawser {

// Runs the file's commands of one key (PreUp, PostUp, PreDown, PostDown) in their order with
// bash (-e and pipefail, as wg-quick has them), %i replaced by the interface's name. The Error has
// the line of the file and how the command ended, a line for each that failed; where it stops at a
// signal (ctl/terminal.h), that is EINTR, and what it ran has ended.
struct HookRun {
  bool goes_on = false;  // past one that fails: what undoes is not left half way
  bool stops = true;     // at a signal
};
Status run_hooks(const WgQuickFile& file, std::string_view key, const WgQuickName& name,
                 HookRun how = {});

// `command` as it is run for an interface. Pure.
std::string hook_command(std::string_view command, const std::string& interface);

bool has_hooks(const WgQuickFile& file, std::string_view key);

}  // namespace hawser
