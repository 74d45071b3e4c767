#include "ctl/timestamp_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <string_view>

#include "base/hex.h"
#include "ctl/directory_check.h"
#include "tun/unique_fd.h"

namespace hawser {

namespace {

constexpr mode_t kStateDirectoryMode = 0700;
constexpr mode_t kFileMode = 0600;
constexpr std::uint32_t kNanosecondsPerSecond = 1'000'000'000;
constexpr std::int64_t kEndOfYear9999 = 253'402'300'799;  // no clock's time is later

// "SECONDS NANOSECONDS\n"
std::optional<WallTime> parse(std::string_view text) {
  WallTime time;
  const char* const end = text.data() + text.size();
  const auto seconds = std::from_chars(text.data(), end, time.seconds);
  if (seconds.ec != std::errc{} || seconds.ptr == end || *seconds.ptr != ' ') return std::nullopt;
  const auto nanoseconds = std::from_chars(seconds.ptr + 1, end, time.nanoseconds);
  if (nanoseconds.ec != std::errc{} || nanoseconds.ptr == end || *nanoseconds.ptr != '\n') {
    return std::nullopt;
  }
  if (time.seconds < 0 || time.seconds > kEndOfYear9999 ||
      time.nanoseconds >= kNanosecondsPerSecond) {
    return std::nullopt;
  }
  return time;
}

bool write_durably(const std::string& path, std::string_view text) {
  const UniqueFd fd(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, kFileMode));
  return fd && ::fchmod(fd.get(), kFileMode) == 0 &&
         ::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
         ::fsync(fd.get()) == 0;
}

}  // namespace

TimestampFile::TimestampFile(std::string directory, LogSink log)
    : directory_(std::move(directory)), log_(std::move(log)) {}

std::string TimestampFile::path_of(const PublicKey& identity) const {
  return directory_ + "/" + to_hex(identity.bytes) + ".timestamp";
}

std::optional<WallTime> TimestampFile::load(const PublicKey& identity) {
  const std::string path = path_of(identity);
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) {
    if (errno != ENOENT) warn_once(fmt::format("cannot read {}: {}", path, std::strerror(errno)));
    return std::nullopt;
  }
  std::array<char, 64> text{};
  const ssize_t len = ::read(fd.get(), text.data(), text.size());
  const auto time = parse({text.data(), static_cast<std::size_t>(len > 0 ? len : 0)});
  if (!time) warn_once(fmt::format("{} does not hold a time stamp; it is not used", path));
  return time;
}

Status TimestampFile::prepare() {
  if (Status safe = check_directory(directory_, "--state-dir"); !safe) return safe;
  if (::mkdir(directory_.c_str(), kStateDirectoryMode) != 0 && errno != EEXIST) {
    warn_once(fmt::format("cannot make the directory {}: {}", directory_, std::strerror(errno)));
  } else if (::faccessat(AT_FDCWD, directory_.c_str(), W_OK | X_OK, AT_EACCESS) != 0) {
    warn_once(
        fmt::format("cannot write in the directory {}: {}", directory_, std::strerror(errno)));
  }
  return {};
}

void TimestampFile::disbelieved(const PublicKey& identity) {
  if (!log_) return;
  log_(LogLevel::kWarning,
       fmt::format("{} has a time stamp that is more than a year ahead of the clock: it is not "
                   "used, and none is kept. If the clock is right, remove the file and restart; if "
                   "the clock is wrong, set it",
                   path_of(identity)));
}

bool TimestampFile::reserve(const PublicKey& identity, const WallTime& until) {
  if (::mkdir(directory_.c_str(), kStateDirectoryMode) != 0 && errno != EEXIST) {
    warn_once(fmt::format("cannot make the directory {}: {}", directory_, std::strerror(errno)));
    return false;
  }
  const std::string path = path_of(identity);
  if (replace(path, fmt::format("{} {}\n", until.seconds, until.nanoseconds))) return true;
  warn_once(fmt::format("cannot write {}: {}", path, std::strerror(errno)));
  return false;
}

bool TimestampFile::replace(const std::string& path, const std::string& text) {
  const std::string temporary = path + ".new";
  if (!write_durably(temporary, text) || ::rename(temporary.c_str(), path.c_str()) != 0) {
    const int error = errno;
    ::unlink(temporary.c_str());
    errno = error;
    return false;
  }
  const UniqueFd directory(::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return directory && ::fsync(directory.get()) == 0;
}

void TimestampFile::warn_once(const std::string& what) {
  if (warned_ || !log_) return;
  warned_ = true;
  log_(LogLevel::kWarning,
       what +
           "; without it, peers refuse us for a while if the clock goes back across a restart "
           "(choose another directory with --state-dir)");
}

}  // namespace hawser
