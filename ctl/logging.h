#pragma once
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/log_sink.h"
#include "ctl/log_file.h"
#include "ctl/options.h"

namespace hawser {

// Logger says things to stderr in the foreground, and to syslog in the background; with --log-file
// to that file instead. Until a daemon in the background is ready, stderr has them as well. Any
// thread; nobody waits for who reads the log (ctl/log_writer.h).
class Logger {
 public:
  // `clock` outlives the logger. `file`: options.log_file, opened, if there is one.
  Logger(const DaemonOptions& options, Clock& clock, std::optional<LogFile> file = {});
  ~Logger();
  Logger(const Logger&) = delete;
  Logger& operator=(const Logger&) = delete;

  // For the rest of the daemon: limited by LogLimiter. The logger outlives what holds it.
  LogSink sink();
  // Not limited: for what is said once. Line breaks and control characters are replaced.
  void say(LogLevel level, const std::string& message);
  // Waits, for a bounded time, until what was said is written: before something else is printed.
  // False: it is not.
  bool flush();
  // The background daemon is ready: its terminal is no longer its own.
  void leave_stderr();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace hawser
