#pragma once
#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace hawser {

// StopSignals notes SIGINT, SIGTERM and SIGHUP instead of ending the process, as long as it lives,
// so that what was begun can be brought to an end. One at a time in a process.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  static bool seen();
  // Until a signal comes, but no longer than this.
  static void wait(Duration at_most);
};

// Terminal has the whole screen of standard output: another buffer, no cursor, keys without Enter
// and without echo. All of it is as before when it is gone, also after a signal: have StopSignals.
class Terminal {
 public:
  // Fails where standard input or output is no terminal.
  static Result<Terminal> open();
  ~Terminal();
  Terminal(Terminal&& other) noexcept;
  Terminal& operator=(Terminal&&) = delete;

  struct Size {
    std::size_t rows = 24;
    std::size_t columns = 80;
  };
  Size size() const;
  // Puts lines in place of what is shown; they fit the size.
  void show(std::string_view text) const;
  // The next key; nothing: none came in time, or a signal did.
  std::optional<char> wait_key(Duration at_most) const;

 private:
  struct State;
  explicit Terminal(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;  // null: moved from
};

}  // namespace hawser
