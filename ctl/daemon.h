#pragma once
#include <memory>
#include <string>

#include "base/result.h"
#include "ctl/logging.h"
#include "ctl/options.h"

namespace hawser {

// Daemon is all of hawserd put together: TUN device, UDP sockets, the Device, its workers, the
// control socket and the netlink monitor. Everything but the workers and the handshake thread runs
// on the thread that calls run().
class Daemon {
 public:
  // Makes everything, in an order in which nothing has to be undone by hand; what fails says why
  // and the rest is gone again. No thread runs yet. `logger` outlives the daemon.
  static Result<std::unique_ptr<Daemon>> make(const DaemonOptions& options, Logger& logger);
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  // Starts the threads. From here on packets flow and the control socket answers as soon as run()
  // is called.
  void start();
  // Until SIGINT or SIGTERM, or the interface is deleted, or the control socket's file is removed;
  // then ends all threads and logs what was dropped.
  void run();

 private:
  struct Impl;
  explicit Daemon(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hawser
