#pragma once
#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace hawser {

// How a program is started. Its environment is ours where none is given; so are its working
// directory and standard streams.
struct ChildProgram {
  std::vector<std::string> argv;  // the program first; looked for in PATH without a '/'
  std::optional<std::vector<std::string>> environment;  // "NAME=value"; nothing: ours
  std::string input;                                    // of standard input; empty: ours
  bool stops = true;           // at a stop signal; false: what is undone is undone
  bool has_own_group = false;  // Ctrl-C is for us alone
};

// A program under way takes so long to end after SIGTERM; then it is killed.
inline constexpr Duration kChildEndTime = std::chrono::seconds(10);

// Runs a program to its end, and gives its exit status as waitpid(2) does. One that a stop signal
// interrupts (StopSignals) is EINTR: by then it has ended, and so has every process that it left
// behind, in whatever session. Another Error says why it cannot be started. One at a time in a
// process.
Result<int> run_program(const ChildProgram& program);

}  // namespace hawser
