#include "ctl/log_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace hawser {

namespace {

constexpr mode_t kLogFileMode = 0640;

Error log_file_error(const std::string& path, const std::string& what, int code) {
  return Error{fmt::format("log file {}: {}; choose another with --log-file", path, what), code};
}

// Not blocking: a FIFO that nobody reads would hold us up.
Result<UniqueFd> open_regular(const std::string& path) {
  UniqueFd fd(::open(path.c_str(),
                     O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY,
                     kLogFileMode));
  struct stat info {};
  if (!fd || ::fstat(fd.get(), &info) != 0) {
    const int code = errno;
    return log_file_error(path, code == ELOOP ? "it is a symbolic link" : std::strerror(code),
                          code);
  }
  if (!S_ISREG(info.st_mode)) return log_file_error(path, "it is not a regular file", EINVAL);
  return fd;
}

}  // namespace

Result<LogFile> LogFile::open(const std::string& path) {
  Result<UniqueFd> fd = open_regular(path);
  if (!fd) return fd.error();
  return LogFile(path, std::move(*fd));
}

bool LogFile::is_still_there() const {
  struct stat opened {};
  struct stat there {};
  return ::fstat(fd_.get(), &opened) == 0 && ::lstat(path_.c_str(), &there) == 0 &&
         opened.st_dev == there.st_dev && opened.st_ino == there.st_ino;
}

void LogFile::append(std::string_view line) {
  if (!is_still_there()) {
    if (Result<UniqueFd> fresh = open_regular(path_)) fd_ = std::move(*fresh);
  }
  (void)!::write(fd_.get(), line.data(), line.size());
}

}  // namespace hawser
