#pragma once
#include <string>
#include <vector>

#include "base/log_sink.h"
#include "base/time.h"
#include "ctl/hosts_file.h"

namespace hawser {

inline constexpr Duration kMinHostsBackoff = std::chrono::seconds(1);
inline constexpr Duration kMaxHostsBackoff = std::chrono::seconds(60);

// HostsKeeper has the host names of the plan that runs in the hosts file. The file does not decide
// whether the network runs: what cannot be written (read-only, full, locked) is a warning, and is
// tried again after 1 s, 2 s, … 60 s. Control thread.
class HostsKeeper {
 public:
  HostsKeeper(std::string path, std::string network, LogSink log);

  // From now on these are wanted; tries at once.
  void set(const std::vector<PlanHostName>& hosts, Instant now);
  // Tries again if that is due.
  void tick(Instant now);
  // Why the names are not in the file; empty: they are.
  const std::string& problem() const { return problem_; }

 private:
  void try_now(Instant now);

  std::string path_;
  LogSink log_;
  HostsFile file_;
  std::vector<PlanHostName> wanted_;
  std::string problem_;
  Duration backoff_ = kMinHostsBackoff;
  Instant next_try_{};
};

}  // namespace hawser
