#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"

namespace hawser {

// ProbeLog keeps the books of a run of numbered probes: which came back, how fast, the longest time
// without an answer, and which controllers carried them. Pure: it is told the time. What it holds
// grows with the probes that are on their way, and with the stretches that were lost (bounded).
class ProbeLog {
 public:
  // An answer that comes later than `timeout` after its probe counts as lost.
  explicit ProbeLog(Duration timeout) : timeout_(timeout) {}

  // Numbers count from 1, each is sent once. `carrier` is who carries it as far as is known; empty:
  // not known.
  void sent(std::uint64_t number, Instant now, const std::string& carrier);
  // The probe could not even be sent: lost.
  void not_sent(std::uint64_t number, const std::string& why);

  enum class Arrival : std::uint8_t {
    kFirst,
    kDuplicate,
    kLate,      // it was given up
    kUnsought,  // no such number was sent
  };
  Arrival received(std::uint64_t number, Instant now);

  // Gives up what has waited for too long. Next when: next_expiry().
  void expire(Instant now);
  std::optional<Instant> next_expiry() const;
  bool all_settled() const { return waiting_.empty(); }

  // Since the last answer, or since the first probe; zero before it.
  Duration silence(Instant now) const;
  // The longest time between two answers; from the first probe to the first answer, and from the
  // last answer to the last probe count as well.
  Duration longest_gap() const;

  std::uint64_t num_sent() const { return num_sent_; }
  std::uint64_t num_received() const { return num_received_; }
  std::uint64_t num_lost() const { return num_lost_; }
  std::uint64_t num_late() const { return num_late_; }
  std::uint64_t num_duplicates() const { return num_duplicates_; }
  bool all_came_back() const { return num_sent_ > 0 && num_received_ == num_sent_; }

  // "3, 7-9"; the first stretches.
  std::string lost_numbers() const;
  // "0.31 / 0.40 / 1.20 ms"; empty: nothing came back.
  std::string round_trips() const;
  // In order of first use.
  const std::vector<std::string>& carriers() const { return carriers_; }
  const std::string& last_error() const { return last_error_; }

 private:
  struct Stretch {
    std::uint64_t first;
    std::uint64_t last;
  };

  void lose(std::uint64_t number);
  bool is_lost(std::uint64_t number) const;

  Duration timeout_;
  std::map<std::uint64_t, Instant> waiting_;  // number → sent
  std::vector<Stretch> lost_;                 // ascending
  std::uint64_t highest_ = 0;
  std::uint64_t num_sent_ = 0;
  std::uint64_t num_received_ = 0;
  std::uint64_t num_lost_ = 0;
  std::uint64_t num_late_ = 0;
  std::uint64_t num_duplicates_ = 0;
  std::optional<Instant> first_sent_;
  Instant last_sent_{};
  std::optional<Instant> last_received_;
  Duration longest_gap_{};
  Duration least_{};
  Duration most_{};
  Duration total_{};
  std::vector<std::string> carriers_;
  std::string last_error_;
};

}  // namespace hawser
