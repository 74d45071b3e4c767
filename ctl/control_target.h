#pragma once
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
};

}  // namespace hawser
