#pragma once
// Keeps our own initiation time stamps from ever going back (CONFORMANCE, "Handshake"): a peer that
// has seen a later one would refuse us until the clock caught up.
#include <cstdint>
#include <optional>
#include <string>

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
  // Called once when what load() gave is not believed; it says so.
  virtual void disbelieved(const PublicKey& identity) { (void)identity; }
  // Where it is kept, for messages; empty: in memory.
  virtual std::string where(const PublicKey& identity) const {
    (void)identity;
    return {};
  }
};

// How far ahead a reservation reaches; a restart may begin that far in the future, at most.
inline constexpr Duration kTimestampReservation = std::chrono::minutes(10);
// A clock more than this ahead of everything known is not believed.
inline constexpr Duration kImplausibleJump = std::chrono::hours(24 * 366);

// A reservation that could not be kept is tried again after this much time.
inline constexpr Duration kReservationRetry = std::chrono::minutes(1);

// TimestampGuard hands out the time stamps of one identity: the wall clock, but never less than the
// last one plus the boot time that passed since, and never less than what an earlier run reserved.
//
// A run that has to begin ahead of the wall clock, on an earlier run's reservation, works that lead
// off: until the wall clock has caught up its stamps advance at 1/16 of boot time (still more than
// two TAI64N granules in the 5 s between two initiations to one peer), and it reserves as much
// less. Otherwise each restart would push the stamps ten minutes further ahead for good.
//
// A stored reservation that is more than kImplausibleJump ahead of a clock that has been set is not
// believed: somebody wrote it, a disk spoiled it, or it was reserved while the clock was wrong.
// Were it used, peers would remember stamps of that far day, and a host that loses its state would
// be refused until then. So the stamps are the wall clock's, and what is stored stays untouched
// (nothing is reserved): when the clock turns out to have been wrong and comes within that distance
// of it, it counts again.
class TimestampGuard {
 public:
  // `store` may be null (nothing is kept) and outlives the guard.
  TimestampGuard(const PublicKey& identity, TimestampStore* store);

  // nullopt: the wall clock jumped ahead implausibly (against the stored reservation, or against
  // boot time since the last call, when that earlier clock was itself plausible, i.e. past 2024);
  // the caller says so and emits nothing. It recovers when the clock does.
  std::optional<Tai64n> next(const Now& now);

  // Where the reservation is kept, for messages; may be empty.
  std::string where() const { return store_ == nullptr ? std::string() : store_->where(identity_); }

 private:
  struct Issued {
    WallTime stamp;
    Instant boot;
  };

  void judge_stored(const Now& now);
  bool implausible(const Now& now) const;
  WallTime advance(const Now& now);
  void reserve_beyond(const WallTime& stamp);

  PublicKey identity_;
  TimestampStore* store_;
  std::optional<WallTime> stored_;    // by an earlier run, until it is believed
  bool disbelieved_ = false;          // stored_ is not
  std::optional<WallTime> reserved_;  // by an earlier run, then by us
  std::optional<Issued> last_;
  bool working_off_lead_ = false;
};

}  // namespace hawser
