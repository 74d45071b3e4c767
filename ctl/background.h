#pragma once
#include <optional>
#include <string>

#include "base/result.h"
#include "tun/unique_fd.h"

namespace hawser {

// Readiness is how a daemon tells whoever started it how its start went. In the foreground there is
// only stderr to tell; in the background the parent process waits for it.
class Readiness {
 public:
  Readiness() = default;  // foreground
  explicit Readiness(UniqueFd to_parent) : to_parent_(std::move(to_parent)) {}

  bool in_background() const { return background_; }
  // Everything is there. In the background the process leaves its terminal and working directory,
  // and the parent exits 0.
  void report_ready();
  // `why` reaches stderr: the parent's, which then exits 1.
  void report_failure(const std::string& why);

 private:
  UniqueFd to_parent_;
  bool background_ = to_parent_.valid();
};

// Forks. In the child: returns nullopt, and `readiness` is to be reported. In the parent: waits for
// the child's report and returns the exit code to end with, having printed why if it is not 0.
// Call while the process has one thread.
Result<std::optional<int>> go_to_background(Readiness& readiness);

}  // namespace hawser
