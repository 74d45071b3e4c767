#pragma once
// Keeps our own initiation time stamps from ever going back (CONFORMANCE, "Handshake"): a peer that
// has seen a later one would refuse us until the clock caught up.
#include <cstdint>
#include <optional>

#include "base/time.h"
#include "noise/keys.h"
#include "noise/tai64n.h"

namespace hawser {

// TimestampStore keeps the reservation across restarts; ctl/ has one on disk. Called from the
// handshake thread, about once in kTimestampReservation.
class TimestampStore {
 public:
  virtual ~TimestampStore() = default;
  // What was last reserved under this identity, if anything is known.
  virtual std::optional<WallTime> load(const PublicKey& identity) = 0;
  // Durable when it returns. False: could not be kept (already logged); we go on without.
  virtual bool reserve(const PublicKey& identity, const WallTime& until) = 0;
};

// How far ahead a reservation reaches; a restart may begin that far in the future, at most.
inline constexpr Duration kTimestampReservation = std::chrono::minutes(10);
// A clock more than this ahead of everything known is not believed.
inline constexpr Duration kImplausibleJump = std::chrono::hours(24 * 366);

// TimestampGuard hands out the time stamps of one identity: the wall clock, but never less than the
// last one plus the boot time that passed since, and never less than what an earlier run reserved.
class TimestampGuard {
 public:
  // `store` may be null (nothing is kept) and outlives the guard.
  TimestampGuard(const PublicKey& identity, TimestampStore* store);

  // nullopt: the wall clock jumped ahead implausibly (against the stored reservation, or against
  // boot time since the last call, when that earlier clock was itself plausible, i.e. past 2024);
  // the caller says so and emits nothing. It recovers when the clock does.
  std::optional<Tai64n> next(const Now& now);

 private:
  PublicKey identity_;
  TimestampStore* store_;
  std::optional<WallTime> reserved_;
  std::optional<WallTime> last_;
  std::optional<Instant> last_boot_;
};

}  // namespace hawser
