#include "ctl/probe_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "ctl/cli_text.h"

namespace hawser {

namespace {

// Beyond it, lost probes are still counted, but a late answer is taken for a duplicate.
constexpr std::size_t kMaxStretches = 4096;
constexpr std::size_t kMaxShownStretches = 16;
// Of networks with a handful of controllers; where every peer is its own carrier, one is probed.
constexpr std::size_t kMaxCarriers = 64;

}  // namespace

void ProbeLog::sent(std::uint64_t number, Instant now, const std::string& carrier) {
  waiting_.emplace(number, now);
  highest_ = std::max(highest_, number);
  ++num_sent_;
  if (!first_sent_) first_sent_ = now;
  last_sent_ = now;
  if (carrier.empty() || carriers_.size() >= kMaxCarriers) return;
  if (std::find(carriers_.begin(), carriers_.end(), carrier) == carriers_.end()) {
    carriers_.push_back(carrier);
  }
}

void ProbeLog::not_sent(std::uint64_t number, const std::string& why) {
  if (waiting_.erase(number) > 0) lose(number);
  last_error_ = why;
}

ProbeLog::Arrival ProbeLog::received(std::uint64_t number, Instant now) {
  expire(now);
  const auto found = waiting_.find(number);
  if (found == waiting_.end()) {
    if (number == 0 || number > highest_) return Arrival::kUnsought;
    ++(is_lost(number) ? num_late_ : num_duplicates_);
    return is_lost(number) ? Arrival::kLate : Arrival::kDuplicate;
  }
  const Duration round_trip = now - found->second;
  waiting_.erase(found);
  longest_gap_ = std::max(longest_gap_, silence(now));
  last_received_ = now;
  least_ = num_received_ == 0 ? round_trip : std::min(least_, round_trip);
  most_ = std::max(most_, round_trip);
  total_ += round_trip;
  ++num_received_;
  return Arrival::kFirst;
}

void ProbeLog::expire(Instant now) {
  while (!waiting_.empty() && now - waiting_.begin()->second > timeout_) {
    lose(waiting_.begin()->first);
    waiting_.erase(waiting_.begin());
  }
}

std::optional<Instant> ProbeLog::next_expiry() const {
  if (waiting_.empty()) return std::nullopt;
  // expire() wants more than the timeout.
  return waiting_.begin()->second + timeout_ + Duration(1);
}

Duration ProbeLog::silence(Instant now) const {
  if (!first_sent_) return {};
  return now - last_received_.value_or(*first_sent_);
}

Duration ProbeLog::longest_gap() const {
  if (!first_sent_) return {};
  return std::max(longest_gap_, silence(last_sent_));
}

void ProbeLog::lose(std::uint64_t number) {
  ++num_lost_;
  if (!lost_.empty() && lost_.back().last + 1 == number) {
    lost_.back().last = number;
  } else if (lost_.size() < kMaxStretches) {
    lost_.push_back({number, number});
  }
}

bool ProbeLog::is_lost(std::uint64_t number) const {
  return std::any_of(lost_.begin(), lost_.end(), [number](const Stretch& stretch) {
    return stretch.first <= number && number <= stretch.last;
  });
}

std::string ProbeLog::lost_numbers() const {
  std::string text;
  for (std::size_t i = 0; i < std::min(lost_.size(), kMaxShownStretches); ++i) {
    const Stretch& stretch = lost_[i];
    fmt::format_to(std::back_inserter(text), "{}{}", text.empty() ? "" : ", ", stretch.first);
    if (stretch.last > stretch.first) {
      fmt::format_to(std::back_inserter(text), "-{}", stretch.last);
    }
  }
  return lost_.size() > kMaxShownStretches ? text + ", …" : text;
}

std::string ProbeLog::round_trips() const {
  if (num_received_ == 0) return {};
  const Duration mean = total_ / static_cast<std::int64_t>(num_received_);
  return fmt::format("{} / {} / {}", format_span(least_), format_span(mean), format_span(most_));
}

}  // namespace hawser
