#include "noise/timestamp_guard.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace hawser {
namespace {

constexpr std::int64_t kNanosPerSecond = 1'000'000'000;
constexpr std::int64_t kStart2024 = 1'704'067'200;  // clocks before that were never set
constexpr int kLeadRate = 16;
// Reservations are renewed this much before they are used up, so that the first stamp of the next
// run is greater than our last one also after rounding to a TAI64N granule.
constexpr Duration kReservationMargin = std::chrono::seconds(1);

// Saturates: what a store gives back may be anything.
WallTime later(const WallTime& wall, Duration by) {
  const std::int64_t nanos = wall.nanoseconds + by.count() % kNanosPerSecond;
  const std::int64_t carry = by.count() / kNanosPerSecond + nanos / kNanosPerSecond;
  WallTime sum{0, static_cast<std::uint32_t>(nanos % kNanosPerSecond)};
  if (__builtin_add_overflow(wall.seconds, carry, &sum.seconds)) {
    sum.seconds = std::numeric_limits<std::int64_t>::max();
  }
  return sum;
}

bool plausible(const WallTime& wall) { return wall.seconds >= kStart2024; }

Duration elapsed(Instant from, Instant to) { return std::max(to - from, Duration::zero()); }

}  // namespace

TimestampGuard::TimestampGuard(const PublicKey& identity, TimestampStore* store)
    : identity_(identity), store_(store) {
  if (store_ == nullptr) return;
  stored_ = store_->load(identity_);
  if (stored_ && stored_->nanoseconds >= kNanosPerSecond) stored_->nanoseconds = 0;
}

void TimestampGuard::judge_stored(const Now& now) {
  if (!stored_) return;
  // A clock that was never set says nothing against the stamp; neither does it speak for one that
  // a better clock has spoken against.
  const bool is_ahead =
      plausible(now.wall) ? *stored_ > later(now.wall, kImplausibleJump) : disbelieved_;
  if (is_ahead) {
    if (!std::exchange(disbelieved_, true)) store_->disbelieved(identity_);
    return;
  }
  // What we handed out meanwhile came from a clock that was wrong.
  if (last_ && last_->stamp < *stored_) last_.reset();
  reserved_ = std::exchange(stored_, std::nullopt);
}

bool TimestampGuard::implausible(const Now& now) const {
  if (last_) {
    return plausible(last_->stamp) &&
           now.wall > later(last_->stamp, elapsed(last_->boot, now.boot) + kImplausibleJump);
  }
  return reserved_ && plausible(*reserved_) && now.wall > later(*reserved_, kImplausibleJump);
}

WallTime TimestampGuard::advance(const Now& now) {
  WallTime least = now.wall;
  if (last_) {
    const Duration passed = elapsed(last_->boot, now.boot);
    least = later(last_->stamp, working_off_lead_ ? passed / kLeadRate : passed);
  } else if (reserved_) {
    least = *reserved_;
    working_off_lead_ = true;
  }
  if (now.wall < least) return least;
  working_off_lead_ = false;
  return now.wall;
}

void TimestampGuard::reserve_beyond(const WallTime& stamp) {
  if (store_ == nullptr || stored_) return;
  if (reserved_ && later(stamp, kReservationMargin) < *reserved_) return;
  const Duration ahead =
      working_off_lead_ ? kTimestampReservation / kLeadRate : kTimestampReservation;
  const WallTime until = later(stamp, ahead);
  reserved_ = store_->reserve(identity_, until) ? until : later(stamp, kReservationRetry);
}

std::optional<Tai64n> TimestampGuard::next(const Now& now) {
  judge_stored(now);
  if (implausible(now)) return std::nullopt;
  const WallTime stamp = advance(now);
  last_ = Issued{stamp, now.boot};
  // Reserved before it is emitted: a crash right after leaves no stamp beyond the reservation.
  reserve_beyond(stamp);
  return to_tai64n(stamp);
}

}  // namespace hawser
