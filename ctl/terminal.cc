#include "ctl/terminal.h"

#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <string>
#include <utility>

namespace hawser {

namespace {

constexpr std::array kStopSignals{SIGINT, SIGTERM, SIGHUP};
// ECMA-48 and xterm: the alternate screen, the cursor, erasing.
constexpr std::string_view kEnter = "\x1b[?1049h\x1b[?25l";
constexpr std::string_view kLeave = "\x1b[?25h\x1b[?1049l";
constexpr std::string_view kHome = "\x1b[H";
constexpr std::string_view kEraseRestOfLine = "\x1b[K";
constexpr std::string_view kEraseBelow = "\x1b[J";

volatile sig_atomic_t stop_seen = 0;
std::array<struct sigaction, kStopSignals.size()> saved_actions{};

extern "C" void note_stop(int) { stop_seen = 1; }

void write_all(std::string_view text) {
  while (!text.empty()) {
    const ssize_t put = ::write(STDOUT_FILENO, text.data(), text.size());
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(put));
  }
}

int to_milliseconds(Duration duration) {
  return static_cast<int>(std::clamp<std::int64_t>(
      std::chrono::ceil<std::chrono::milliseconds>(duration).count(), 0, 3'600'000));
}

}  // namespace

StopSignals::StopSignals() {
  stop_seen = 0;
  struct sigaction action {};
  action.sa_handler = note_stop;  // no SA_RESTART: what waits is to wake
  for (std::size_t i = 0; i < kStopSignals.size(); ++i) {
    ::sigaction(kStopSignals[i], nullptr, &saved_actions[i]);
    if (saved_actions[i].sa_handler == SIG_IGN) continue;  // nohup(1) wants it so
    ::sigaction(kStopSignals[i], &action, nullptr);
  }
}

StopSignals::~StopSignals() {
  for (std::size_t i = 0; i < kStopSignals.size(); ++i) {
    ::sigaction(kStopSignals[i], &saved_actions[i], nullptr);
  }
}

bool StopSignals::seen() { return stop_seen != 0; }

void StopSignals::wait(Duration at_most) {
  if (!seen()) ::poll(nullptr, 0, to_milliseconds(at_most));
}

struct Terminal::State {
  termios before{};
};

Result<Terminal> Terminal::open() {
  if (::isatty(STDIN_FILENO) != 1 || ::isatty(STDOUT_FILENO) != 1) {
    return Error{"a live view needs a terminal; elsewhere use hawser status --watch", ENOTTY};
  }
  auto state = std::make_unique<State>();
  if (::tcgetattr(STDIN_FILENO, &state->before) != 0) {
    return Error{"the terminal does not tell its settings; use hawser status --watch", errno};
  }
  termios raw = state->before;
  raw.c_lflag &= static_cast<tcflag_t>(~(ICANON | ECHO));
  // Ctrl-Z would leave the other screen behind.
  raw.c_cc[VSUSP] = _POSIX_VDISABLE;
  raw.c_cc[VMIN] = 1;
  raw.c_cc[VTIME] = 0;
  ::tcsetattr(STDIN_FILENO, TCSANOW, &raw);
  write_all(kEnter);
  return Terminal(std::move(state));
}

Terminal::Terminal(std::unique_ptr<State> state) : state_(std::move(state)) {}
Terminal::Terminal(Terminal&& other) noexcept = default;

Terminal::~Terminal() {
  if (!state_) return;
  write_all(kLeave);
  ::tcsetattr(STDIN_FILENO, TCSANOW, &state_->before);
}

Terminal::Size Terminal::size() const {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0) {
    return {};
  }
  return {size.ws_row, size.ws_col};
}

void Terminal::show(std::string_view text) const {
  // One write, line over line: the screen does not flicker.
  std::string out(kHome);
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    out.append(line).append(kEraseRestOfLine);
    if (!text.empty()) out += "\r\n";
  }
  out += kEraseBelow;
  write_all(out);
}

std::optional<char> Terminal::wait_key(Duration at_most) const {
  pollfd input{STDIN_FILENO, POLLIN, 0};
  if (StopSignals::seen() || ::poll(&input, 1, to_milliseconds(at_most)) <= 0) return std::nullopt;
  char key = 0;
  const ssize_t got = ::read(STDIN_FILENO, &key, 1);
  if (got == 1) return key;
  // The terminal is gone: as if somebody had quit.
  return got == 0 || errno != EINTR ? std::optional<char>('q') : std::nullopt;
}

}  // namespace hawser
