#pragma once
#include <string>

#include "base/result.h"

namespace hawser {

// Where the daemon of an interface is, or is to be.
struct DaemonPlace {
  std::string control_dir;
  std::string interface;
};

// Starts hawserd for an interface that takes its settings through the control socket, whatever our
// environment says; it is ready when this returns. It has said on standard error why it is not. A
// stop signal (ctl/terminal.h) is EINTR: nothing of it runs then.
Status start_daemon(const std::string& program, const DaemonPlace& place);

// Asks the daemon to end, and waits until its interface is gone. ENOENT: there is no socket of one.
Status end_daemon(const DaemonPlace& place);

}  // namespace hawser
