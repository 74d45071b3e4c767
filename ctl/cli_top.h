#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "base/time.h"
#include "ctl/interface_status.h"

namespace hawser {

// Bytes and drops a second between two statuses of one daemon.
struct PeerRates {
  double rx = 0;  // bytes a second
  double tx = 0;
  double drops = 0;  // packets a second
};

// RateMeter remembers the last status. Pure: it is told the time.
class RateMeter {
 public:
  // After the first status, and after a daemon was started anew, rates are zero.
  void add(const InterfaceStatus& status, Instant now);

  PeerRates of(const PeerStatus& peer) const;
  PeerRates total() const { return total_; }
  double relayed() const { return relayed_; }  // packets a second

 private:
  struct Counters {
    std::int64_t rx = 0;
    std::int64_t tx = 0;
    std::int64_t drops = 0;
  };
  static Counters counters_of(const PeerStatus& peer);
  void start(const InterfaceStatus& status, Instant now);

  std::map<std::string, Counters> last_;  // by public key
  std::map<std::string, PeerRates> rates_;
  PeerRates total_;
  double relayed_ = 0;
  std::int64_t last_relayed_ = 0;
  std::int64_t last_drops_ = 0;  // those of no peer
  std::int64_t started_ = 0;
  Instant last_time_{};
  bool has_last_ = false;
};

// One screen of `hawser top`, no wider than `columns` and no more than `rows` lines: the interface,
// which controller carries what, then the peers, controllers first, then by traffic; of the columns
// those that fit, the first five into 60. `now`: Unix time, seconds. Pure.
std::string render_top(const InterfaceStatus& status, const RateMeter& rates, std::int64_t now,
                       std::size_t rows, std::size_t columns);

// What its keys and columns mean, within the same bounds. Pure.
std::string render_top_help(std::size_t rows, std::size_t columns);

}  // namespace hawser
