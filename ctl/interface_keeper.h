#pragma once
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/log_sink.h"
#include "base/result.h"
#include "base/time.h"
#include "ctl/interface_setup.h"

namespace hawser {

// What vanishes together (ip address flush) is put back together, and an operator who takes an
// address away to give it anew is not met half way.
inline constexpr Duration kKeeperSettle = std::chrono::milliseconds(100);
// Between two repairs: from the first to the second, doubling. Another program that removes again
// and again costs one repair and one log line a minute.
inline constexpr Duration kKeeperMinBackoff = std::chrono::milliseconds(500);
inline constexpr Duration kKeeperMaxBackoff = std::chrono::seconds(60);
// What was whole for so long is quiet: the next loss is repaired at once.
inline constexpr Duration kKeeperQuiet = std::chrono::seconds(10);

// InterfaceKeeper decides when to put back what others took from an interface. An interface that
// was set down stays down; when it comes up, what went with it returns. One that was renamed or
// moved to another network namespace is let alone until it is back. It does no I/O and knows no
// clock. Control thread.
class InterfaceKeeper {
 public:
  // Puts back as much as possible; the first error, if any.
  using PutBack = std::function<Status(const InterfaceLack&)>;
  InterfaceKeeper(std::string interface, PutBack put_back, LogSink log);

  // What should be there from now on.
  void want(InterfaceSettings wanted, Instant now);
  // What is there now.
  void see(TunnelState seen, Instant now);

  const InterfaceLack& lack() const { return lack_; }
  // When to call tick() next; nullopt: nothing is lacking.
  std::optional<Instant> due() const { return due_; }
  void tick(Instant now);

 private:
  void note_place(const TunnelState& seen);
  void compare(Instant now);
  bool has_fresh_loss(const InterfaceLack& before, Instant now) const;

  std::string interface_;
  PutBack put_back_;
  LogSink log_;
  InterfaceSettings wanted_;
  std::optional<TunnelState> seen_;
  InterfaceLack lack_;
  std::optional<Instant> due_;
  std::optional<Instant> last_repair_;  // within what is not quiet yet
  std::optional<Instant> whole_since_;
  // When each item was last tried, within kKeeperMaxBackoff; at most what was ever wanted in that.
  std::map<std::string, Instant> tried_at_;
  Duration backoff_ = kKeeperMinBackoff;
};

}  // namespace hawser
