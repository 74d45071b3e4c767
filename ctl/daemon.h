#pragma once
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "ctl/logging.h"
#include "ctl/network_file.h"
#include "ctl/options.h"

namespace hawser {

// Daemon is all of hawserd put together: TUN device, UDP sockets, the Device, its workers, the
// control socket and the netlink monitor. Everything but the workers and the handshake thread runs
// on the thread that calls run().
class Daemon {
 public:
  // Makes everything, in an order in which nothing has to be undone by hand; what fails says why
  // and the rest is gone again. No thread runs yet. `logger` outlives the daemon.
  // `network`: the plan to run, adopted into `options` (ctl/network_mode.h).
  static Result<std::unique_ptr<Daemon>> make(const DaemonOptions& options, Logger& logger,
                                              std::optional<LoadedPlan> network = {});
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  // Starts the threads, and tells the service manager. From here on packets flow and the control
  // socket answers as soon as run() is called.
  void start();
  // Until SIGINT or SIGTERM, or the interface is deleted, or the control socket's file is removed;
  // then ends all threads and logs what was dropped. False: the interface was deleted under it,
  // which nobody who wants it running wanted. SIGUSR1 writes the status to the log. A controller of
  // a network first says goodbye and forwards for a while, so that nothing is lost; a second signal
  // cuts that short. SIGHUP reloads the network's file, or ends a daemon that has none.
  bool run();

 private:
  struct Impl;
  explicit Daemon(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hawser
