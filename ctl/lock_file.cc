#include "ctl/lock_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <fstream>
#include <thread>
#include <utility>

namespace hawser {

namespace {

constexpr mode_t kLockFileMode = 0600;
constexpr auto kPause = std::chrono::milliseconds(20);

Error lock_error(const std::string& path, const std::string& what, int code) {
  return Error{fmt::format("lock file {}: {}", path, what), code};
}

// A FIFO or a device that somebody put there must neither block us nor be written to.
Result<UniqueFd> open_lock(const std::string& path) {
  UniqueFd fd(
      ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, kLockFileMode));
  struct stat info {};
  if (!fd || ::fstat(fd.get(), &info) != 0) {
    const int code = errno;
    return lock_error(path, std::strerror(code), code);
  }
  const bool is_ours = info.st_uid == ::geteuid() || info.st_uid == 0;
  if (!S_ISREG(info.st_mode) || !is_ours || (info.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return lock_error(path, "it is not a file of ours that others cannot open; remove it", EEXIST);
  }
  return fd;
}

// Whoever had the lock before us has removed the file: what we opened is not what others open now.
bool is_at(int fd, const std::string& path) {
  struct stat opened {};
  struct stat there {};
  return ::fstat(fd, &opened) == 0 && ::lstat(path.c_str(), &there) == 0 &&
         opened.st_dev == there.st_dev && opened.st_ino == there.st_ino;
}

std::string holder_of(int fd) {
  std::array<char, 16> text{};
  const ssize_t len = ::pread(fd, text.data(), text.size(), 0);
  pid_t pid = 0;
  std::from_chars(text.data(), text.data() + std::max<ssize_t>(len, 0), pid);
  return pid > 0 ? describe_process(pid) : "another process";
}

// For messages alone: a full disk must not keep the lock from being taken.
void write_holder(int fd) {
  const std::string text = fmt::format("{}\n", ::getpid());
  (void)!::ftruncate(fd, 0);
  (void)!::pwrite(fd, text.data(), text.size(), 0);
}

}  // namespace

Result<LockFile> LockFile::take(const std::string& path, Duration wait, const LogSink& log) {
  const auto deadline = std::chrono::steady_clock::now() + wait;
  bool is_said = false;
  while (true) {
    Result<UniqueFd> fd = open_lock(path);
    if (!fd) return fd.error();
    if (::flock(fd->get(), LOCK_EX | LOCK_NB) == 0) {
      if (!is_at(fd->get(), path)) continue;
      write_holder(fd->get());
      return LockFile(std::move(*fd), path);
    }
    const int code = errno;
    if (code != EWOULDBLOCK && code != EINTR) return lock_error(path, std::strerror(code), code);
    if (std::chrono::steady_clock::now() >= deadline) {
      return lock_error(path, "it is held by " + holder_of(fd->get()) + "; end that process",
                        EWOULDBLOCK);
    }
    if (!std::exchange(is_said, true) && log) {
      log(LogLevel::kWarning,
          fmt::format("waiting for lock file {}, held by {}, for {} s at most", path,
                      holder_of(fd->get()), std::chrono::ceil<std::chrono::seconds>(wait).count()));
    }
    std::this_thread::sleep_for(kPause);
  }
}

LockFile::LockFile(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

// The file goes before the lock does: whoever waits sees that it is gone, and makes a new one.
LockFile::~LockFile() {
  if (fd_) ::unlink(path_.c_str());
}

std::string describe_process(pid_t pid) {
  std::string name;
  std::ifstream(fmt::format("/proc/{}/comm", pid)) >> name;
  return name.empty() ? fmt::format("pid {}", pid) : fmt::format("pid {} ({})", pid, name);
}

}  // namespace hawser
