#pragma once
#include <cstdlib>
#include <string>
#include <utility>

namespace hawser {

// What a command that runs to its end prints, and how it exits.
struct CliOutput {
  std::string out;  // standard output
  std::string err;  // standard error
  int exit_code = EXIT_SUCCESS;

  static CliOutput failure(const std::string& why) {
    return {{}, "hawser: " + why + "\n", EXIT_FAILURE};
  }
};

}  // namespace hawser
