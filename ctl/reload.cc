#include "ctl/reload.h"

#include <fmt/format.h>

#include <cerrno>
#include <utility>

namespace hawser {

namespace {

Status needs_restart(const std::string& what) {
  return Error{what + " cannot change while the daemon runs; restart it", EINVAL};
}

}  // namespace

Status check_reload(const HostPlan& running, const HostPlan& wanted) {
  if (running.interface.name != wanted.interface.name) {
    return needs_restart(fmt::format("the interface's name ({} → {})", running.interface.name,
                                     wanted.interface.name));
  }
  const bool same_key = running.public_key == wanted.public_key ||
                        running.public_key_next == wanted.public_key ||
                        running.public_key == wanted.public_key_next;
  if (!same_key) {
    return needs_restart(
        fmt::format("the key of this host, {}, unless public_key_next announced it,", wanted.host));
  }
  if (running.network != wanted.network) {
    return needs_restart(
        fmt::format("the network's name ({} → {})", running.network, wanted.network));
  }
  if (running.role != wanted.role) {
    return needs_restart(fmt::format("the role of this host ({} → {})",
                                     host_role_name(running.role), host_role_name(wanted.role)));
  }
  return {};
}

Reloader::Reloader(Ports ports, LoadedPlan running, LogSink log)
    : ports_(std::move(ports)),
      running_(std::make_unique<LoadedPlan>(std::move(running))),
      log_(std::move(log)) {}

Status Reloader::reload(std::optional<std::uint32_t> confirm_seconds, Instant now) {
  if (confirm_seconds && (*confirm_seconds == 0 || *confirm_seconds > kMaxConfirmSeconds)) {
    return Error{
        fmt::format("confirm={}: 1 to {} seconds are wanted", *confirm_seconds, kMaxConfirmSeconds),
        EINVAL};
  }
  Result<LoadedPlan> loaded = ports_.load();
  if (!loaded) return loaded.error();
  if (Status possible = check_reload(running_->plan, loaded->plan); !possible) return possible;
  auto wanted = std::make_unique<LoadedPlan>(std::move(*loaded));
  if (Status applied = ports_.apply(*running_, *wanted); !applied) return applied;

  was_taken_back_ = false;
  std::unique_ptr<LoadedPlan> replaced = std::exchange(running_, std::move(wanted));
  if (confirm_seconds) {
    if (!confirmed_) confirmed_ = std::move(replaced);
    deadline_ = now + std::chrono::seconds(*confirm_seconds);
  } else {
    confirmed_.reset();
    deadline_.reset();
  }
  return {};
}

Status Reloader::confirm() {
  if (!confirmed_) {
    return Error{
        "there is no reload to confirm: either it is confirmed already, or the old plan is "
        "back because its time was over",
        ENOENT};
  }
  confirmed_.reset();
  deadline_.reset();
  return {};
}

void Reloader::tick(Instant now) {
  if (!deadline_ || now < *deadline_) return;
  if (Status applied = ports_.apply(*running_, *confirmed_); !applied) {
    deadline_ = now + kRollbackRetry;
    if (log_) {
      log_(LogLevel::kError,
           "the unconfirmed reload cannot be taken back yet: " + applied.error().message);
    }
    return;
  }
  running_ = std::move(confirmed_);
  deadline_.reset();
  was_taken_back_ = true;
  if (log_) {
    log_(LogLevel::kWarning,
         "the reload was not confirmed in time: the old plan is back, and is not what the network "
         "file says");
  }
}

}  // namespace hawser
