#include "ctl/log_writer.h"

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <utility>

namespace hawser {

// Shared with the thread, which may be stuck in a write when everybody else is gone.
struct LogWriter::State {
  explicit State(Write to) : write(std::move(to)) {}
  void run();
  bool is_done() const { return lines.empty() && num_lost == 0 && !writing; }
  LogLine tell_losses();

  const Write write;
  std::mutex mutex;
  std::condition_variable added;
  std::condition_variable done;
  std::deque<LogLine> lines;
  std::uint64_t num_lost = 0;  // since the last line that found room
  bool writing = false;
  bool ending = false;
};

LogLine LogWriter::State::tell_losses() {
  return {LogLevel::kWarning, std::chrono::system_clock::now(),
          std::to_string(std::exchange(num_lost, 0)) +
              " log lines were left out: they came faster than they were taken"};
}

void LogWriter::State::run() {
  std::unique_lock lock(mutex);
  for (;;) {
    added.wait(lock, [this] { return ending || !is_done(); });
    if (is_done()) return;
    LogLine line;
    if (!lines.empty()) {
      line = std::move(lines.front());
      lines.pop_front();
    } else {
      line = tell_losses();
    }
    writing = true;
    lock.unlock();
    write(line);
    lock.lock();
    writing = false;
    if (is_done()) done.notify_all();
  }
}

LogWriter::LogWriter(Write write) : state_(std::make_shared<State>(std::move(write))) {
  thread_ = std::thread([state = state_] { state->run(); });
}

LogWriter::~LogWriter() {
  const bool is_written = flush();
  {
    const std::lock_guard lock(state_->mutex);
    state_->ending = true;
  }
  state_->added.notify_one();
  if (is_written) {
    thread_.join();
  } else {
    thread_.detach();
  }
}

void LogWriter::add(LogLine line) {
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->lines.size() >= kMaxLines) {
      ++state_->num_lost;
    } else {
      if (state_->num_lost > 0) state_->lines.push_back(state_->tell_losses());
      state_->lines.push_back(std::move(line));
    }
  }
  state_->added.notify_one();
}

bool LogWriter::flush() {
  std::unique_lock lock(state_->mutex);
  return state_->done.wait_for(lock, kLastWords, [this] { return state_->is_done(); });
}

}  // namespace hawser
