#include "ctl/interface_keeper.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace hawser {

namespace {

// A line of the log; a network may have hundreds of routes.
constexpr std::size_t kMaxNamed = 6;

std::string name_items(const InterfaceLack& lack) {
  std::vector<std::string> items = lack.items();
  const std::size_t num_left_out = items.size() > kMaxNamed ? items.size() - kMaxNamed : 0;
  items.resize(items.size() - num_left_out);
  std::string text = fmt::format("{}", fmt::join(items, ", "));
  if (num_left_out > 0) text += fmt::format(" and {} more", num_left_out);
  return text;
}

}  // namespace

InterfaceKeeper::InterfaceKeeper(std::string interface, PutBack put_back, LogSink log)
    : interface_(std::move(interface)), put_back_(std::move(put_back)), log_(std::move(log)) {}

void InterfaceKeeper::want(InterfaceSettings wanted, Instant now) {
  wanted_ = std::move(wanted);
  compare(now);
}

void InterfaceKeeper::see(TunnelState seen, Instant now) {
  note_place(seen);
  // Somebody set it up again and waits for it.
  if (seen_ && !seen_->up && seen.up) last_repair_.reset();
  seen_ = std::move(seen);
  compare(now);
}

// Each time once. Whoever sends an interface away has plans with it.
void InterfaceKeeper::note_place(const TunnelState& seen) {
  using Place = TunnelState::Place;
  const Place before = seen_ ? seen_->place : Place::kHome;
  if (seen.place == before) return;
  if (before != Place::kHome) last_repair_.reset();
  if (!log_) return;
  switch (seen.place) {
    case Place::kHome:
      log_(LogLevel::kInfo, fmt::format("{} is back", interface_));
      return;
    case Place::kRenamed:
      log_(LogLevel::kWarning,
           fmt::format("{} was renamed to {}; addresses and routes that it loses are not put back "
                       "until it is {} again",
                       interface_, seen.name, interface_));
      return;
    case Place::kMoved:
      log_(LogLevel::kWarning,
           fmt::format("{} was moved to another network namespace; addresses and routes that it "
                       "loses are not put back until it returns",
                       interface_));
      return;
  }
}

void InterfaceKeeper::compare(Instant now) {
  if (!seen_) return;
  const InterfaceLack before = std::exchange(lack_, InterfaceLack::find(wanted_, *seen_));
  if (seen_->place != TunnelState::Place::kHome) {
    due_.reset();
    return;
  }
  if (lack_.empty()) {
    if (!whole_since_) whole_since_ = now;
    due_.reset();
    return;
  }
  if (whole_since_ && now - *whole_since_ >= kKeeperQuiet) last_repair_.reset();
  whole_since_.reset();
  if (!due_) {
    due_ = now + kKeeperSettle;
    if (last_repair_) due_ = std::max(*due_, *last_repair_ + backoff_);
  } else if (has_fresh_loss(before, now)) {
    // It does not wait for the next try of what cannot be put back.
    due_ = std::min(*due_, now + kKeeperSettle);
  }
}

// Something was not lacking before, and nobody removes it again and again.
bool InterfaceKeeper::has_fresh_loss(const InterfaceLack& before, Instant now) const {
  const std::vector<std::string> known = before.items();
  const std::vector<std::string> items = lack_.items();
  return std::any_of(items.begin(), items.end(), [&](const std::string& item) {
    if (std::find(known.begin(), known.end(), item) != known.end()) return false;
    const auto tried = tried_at_.find(item);
    return tried == tried_at_.end() || now - tried->second >= kKeeperMaxBackoff;
  });
}

void InterfaceKeeper::tick(Instant now) {
  if (!due_ || now < *due_) return;
  backoff_ = last_repair_ ? std::min(backoff_ * 2, kKeeperMaxBackoff) : kKeeperMinBackoff;
  last_repair_ = now;
  due_ = now + backoff_;  // unless it is seen to be whole
  std::erase_if(tried_at_,
                [&](const auto& item) { return now - item.second >= kKeeperMaxBackoff; });
  for (std::string& item : lack_.items()) tried_at_.insert_or_assign(std::move(item), now);
  const std::string items = name_items(lack_);
  const Status done = put_back_(lack_);
  if (!log_) return;
  if (done) {
    log_(LogLevel::kWarning, fmt::format("{} had lost {}; put back", interface_, items));
  } else {
    log_(LogLevel::kWarning, fmt::format("{} has lost {}; not all of it can be put back: {}",
                                         interface_, items, done.error().message));
  }
}

}  // namespace hawser
