#include "ctl/hosts_keeper.h"

#include <algorithm>
#include <utility>

namespace hawser {

HostsKeeper::HostsKeeper(std::string path, std::string network, LogSink log)
    : path_(std::move(path)), log_(std::move(log)), file_(path_, std::move(network), log_) {}

void HostsKeeper::set(const std::vector<PlanHostName>& hosts, Instant now) {
  wanted_ = hosts;
  backoff_ = kMinHostsBackoff;
  try_now(now);
}

void HostsKeeper::tick(Instant now) {
  if (!problem_.empty() && now >= next_try_) try_now(now);
}

void HostsKeeper::try_now(Instant now) {
  const Status written = file_.write(wanted_);
  const std::string before = std::exchange(problem_, written ? "" : written.error().message);
  if (!written) {
    next_try_ = now + backoff_;
    backoff_ = std::min(backoff_ * 2, kMaxHostsBackoff);
  }
  if (!log_ || problem_ == before) return;
  if (written) {
    log_(LogLevel::kInfo, "the host names are in " + path_ + " now");
  } else {
    log_(LogLevel::kWarning, problem_ + "; the network runs without host names until it works");
  }
}

}  // namespace hawser
