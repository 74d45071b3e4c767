#pragma once
#include <cerrno>
#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "dataplane/change.h"
#include "dataplane/view.h"

namespace hawser {

// ControlTarget is what the control socket speaks to; ctl/device_control.h implements it, tests
// have their own. Called on the control thread.
class ControlTarget {
 public:
  virtual ~ControlTarget() = default;
  // All of `change`, or nothing and why (errno in Error::code, 0 standing for EIO).
  virtual Status set(DeviceChange change) = 0;
  virtual DeviceView get() = 0;
  // The whole answer to get=status.
  virtual std::string status() = 0;
  // Runs what the network file has now, or refuses it whole; each line of the message is a problem.
  // With `confirm_seconds` the old plan comes back by itself unless confirm() comes in time.
  virtual Status reload(std::optional<std::uint32_t> confirm_seconds) {
    (void)confirm_seconds;
    return not_a_network();
  }
  virtual Status confirm() { return not_a_network(); }

 private:
  static Error not_a_network() {
    return {
        "this daemon was started without --network: there is no file to reload; use wg set or "
        "wg syncconf",
        EOPNOTSUPP};
  }
};

}  // namespace hawser
