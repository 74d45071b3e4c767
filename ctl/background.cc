#include "ctl/background.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace hawser {

namespace {

// What the child writes first; for a failure, its text follows.
constexpr char kReady = '+';
constexpr char kFailed = '-';

void print_error(const std::string& why) { fmt::print(stderr, "hawserd: {}\n", why); }

void write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t put = ::write(fd, text.data(), text.size());
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return;  // the parent is gone: nobody to tell
    text.remove_prefix(static_cast<std::size_t>(put));
  }
}

std::string read_all(int fd) {
  std::string text;
  std::array<char, 1024> piece{};
  while (true) {
    const ssize_t got = ::read(fd, piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return text;
    text.append(piece.data(), static_cast<std::size_t>(got));
  }
}

int wait_for_report(int fd, pid_t child) {
  const std::string report = read_all(fd);
  if (report.starts_with(kReady)) return EXIT_SUCCESS;
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (report.starts_with(kFailed)) {
    print_error(report.substr(1));
  } else if (WIFSIGNALED(status)) {
    print_error(
        fmt::format("the daemon was ended by signal {} before it was ready", WTERMSIG(status)));
  } else {
    print_error("the daemon ended before it was ready; run it with --foreground to see why");
  }
  return EXIT_FAILURE;
}

}  // namespace

void Readiness::report_ready() {
  if (!to_parent_) return;
  // The working directory would keep a file system from being unmounted, an open terminal its
  // session from ending.
  if (::chdir("/") != 0) print_error(fmt::format("chdir /: {}", std::strerror(errno)));
  const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (null) {
    for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
      ::dup2(null.get(), standard);
    }
  }
  write_all(to_parent_.get(), std::string(1, kReady));
  to_parent_.reset();
}

void Readiness::report_failure(const std::string& why) {
  if (!background_) return print_error(why);
  if (!to_parent_) return;
  write_all(to_parent_.get(), kFailed + why);
  to_parent_.reset();
}

Result<std::optional<int>> go_to_background(Readiness& readiness) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    return Error{fmt::format("cannot go to the background: pipe: {}", std::strerror(errno)), errno};
  }
  UniqueFd from_child(ends[0]);
  UniqueFd to_parent(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) {
    return Error{fmt::format("cannot go to the background: fork: {}; or use --foreground",
                             std::strerror(errno)),
                 errno};
  }
  if (child > 0) {
    to_parent.reset();
    return std::optional<int>(wait_for_report(from_child.get(), child));
  }
  ::setsid();
  readiness = Readiness(std::move(to_parent));
  return std::optional<int>();
}

}  // namespace hawser
