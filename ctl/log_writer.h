#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "base/log_sink.h"

namespace hawser {

struct LogLine {
  LogLevel level = LogLevel::kInfo;
  std::chrono::system_clock::time_point said;
  std::string text;
};

// LogWriter writes lines on a thread of its own, so that nobody who has something to say waits for
// the pipe, the terminal or the syslog daemon that takes it: what is said is said under the
// device's lock. Any thread.
class LogWriter {
 public:
  // Runs on the writer's thread; may block for as long as it likes. It may outlive the LogWriter
  // when it never returns, so it owns what it needs.
  using Write = std::function<void(const LogLine&)>;

  // A start with hundreds of peers says less. What comes when so many wait is left out and counted;
  // the count is written when writing goes on.
  static constexpr std::size_t kMaxLines = 4096;
  // What is still to be written at the end has so long; then it is given up.
  static constexpr std::chrono::seconds kLastWords{1};

  explicit LogWriter(Write write);
  ~LogWriter();
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  // Never blocks on the writing.
  void add(LogLine line);
  // Waits until what was added is written, but no longer than kLastWords; false: it is not.
  bool flush();

 private:
  struct State;
  std::shared_ptr<State> state_;
  std::thread thread_;
};

}  // namespace hawser
