#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/log_sink.h"
#include "base/result.h"
#include "base/time.h"
#include "ctl/network_file.h"

namespace hawser {

// The longest time that a reload may stay unconfirmed: an operator who is away for longer is locked
// out all the same.
inline constexpr std::uint32_t kMaxConfirmSeconds = 86'400;
// When the old plan cannot be put back, it is tried again after this long.
inline constexpr Duration kRollbackRetry = std::chrono::seconds(5);

// Can a running daemon go from one plan to the other? The Error names what it cannot change, and
// the remedy.
Status check_reload(const HostPlan& running, const HostPlan& wanted);

// Reloader holds the plan that runs, and the one that comes back when nobody confirms it in time.
// It does no I/O itself. Control thread.
class Reloader {
 public:
  struct Ports {
    // Reads and checks the file; ctl/network_file.h.
    std::function<Result<LoadedPlan>()> load;
    // Goes from one to the other, or leaves everything as it was and says why.
    std::function<Status(const LoadedPlan& from, const LoadedPlan& to)> apply;
  };

  Reloader(Ports ports, LoadedPlan running, LogSink log);

  const LoadedPlan& running() const { return *running_; }

  // Runs what the file has now, or refuses it as a whole: then the old plan stays, and so does what
  // an earlier reload left unconfirmed. With `confirm`, the last confirmed plan comes back by
  // itself after so many seconds, counted from this reload, unless confirm() is called; without it
  // the new plan stays.
  Status reload(std::optional<std::uint32_t> confirm_seconds, Instant now);
  // ENOENT: there is nothing to confirm.
  Status confirm();

  // When to call tick() next; nullopt: nothing waits.
  std::optional<Instant> deadline() const { return deadline_; }
  void tick(Instant now);
  // A reload was not confirmed in time, so what runs is not what the file had; until a reload
  // succeeds.
  bool was_taken_back() const { return was_taken_back_; }

 private:
  Ports ports_;
  std::unique_ptr<LoadedPlan> running_;
  std::unique_ptr<LoadedPlan> confirmed_;  // comes back at deadline_; null: running_ is confirmed
  std::optional<Instant> deadline_;
  bool was_taken_back_ = false;
  LogSink log_;
};

}  // namespace hawser
