#include "ctl/hosts_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>
#include <utility>

#include "ctl/hosts_block.h"
#include "tun/unique_fd.h"

namespace hawser {

namespace {

constexpr mode_t kMode = 0644;  // of a hosts file that was not there
// Nobody's hosts file; protects against being pointed at a device or a disk image.
constexpr std::size_t kMaxFileLen = std::size_t{64} << 20;

// Others hold the lock for as long as a small file takes to write; who holds it for longer is not
// one of us.
constexpr int kLockAttempts = 100;
constexpr auto kLockPause = std::chrono::milliseconds(20);

// Each returns 0, or an errno.

int lock(int directory) {
  for (int attempt = 1; ::flock(directory, LOCK_EX | LOCK_NB) != 0; ++attempt) {
    if ((errno != EWOULDBLOCK && errno != EINTR) || attempt == kLockAttempts) return errno;
    std::this_thread::sleep_for(kLockPause);
  }
  return 0;
}

int read_whole(int fd, std::string& text) {
  std::array<char, 65536> piece{};
  while (text.size() <= kMaxFileLen) {
    const ssize_t got = ::read(fd, piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno;
    if (got == 0) return 0;
    text.append(piece.data(), static_cast<std::size_t>(got));
  }
  return EFBIG;
}

int write_whole(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t put = ::write(fd, text.data(), text.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return errno;
    text.remove_prefix(static_cast<std::size_t>(put));
  }
  return 0;
}

void copy_security_label(int from, int to) {
  constexpr const char* kLabel = "security.selinux";
  std::array<char, 1024> label{};
  const ssize_t len = ::fgetxattr(from, kLabel, label.data(), label.size());
  if (len > 0) (void)::fsetxattr(to, kLabel, label.data(), static_cast<std::size_t>(len), 0);
}

int write_new(const std::string& path, int like, const std::string& text) {
  struct stat info {};
  const bool is_new = like < 0 || ::fstat(like, &info) != 0;
  // A killed run may have left one. Whoever else is at it waits for the directory's lock.
  ::unlink(path.c_str());
  const UniqueFd fd(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return errno;
  if (!is_new) {
    if (::fchown(fd.get(), info.st_uid, info.st_gid) != 0) return errno;
    copy_security_label(like, fd.get());
  }
  if (::fchmod(fd.get(), is_new ? kMode : info.st_mode & 07777) != 0) return errno;
  const int error = write_whole(fd.get(), text);
  if (error != 0) return error;
  return ::fsync(fd.get()) == 0 ? 0 : errno;
}

int rewrite_in_place(const std::string& path, const std::string& before, const std::string& text) {
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd) return errno;
  const auto differ = std::mismatch(before.begin(), before.end(), text.begin(), text.end());
  const auto same = differ.second - text.begin();
  if (::lseek(fd.get(), static_cast<off_t>(same), SEEK_SET) < 0) return errno;
  const int error =
      write_whole(fd.get(), std::string_view(text).substr(static_cast<std::size_t>(same)));
  if (error != 0) return error;
  if (::ftruncate(fd.get(), static_cast<off_t>(text.size())) != 0) return errno;
  return ::fsync(fd.get()) == 0 ? 0 : errno;
}

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, std::max<std::size_t>(slash, 1));
}

// The file itself, behind symbolic links; a path that leads nowhere stays as it is.
std::string real_path_of(const std::string& path) {
  const std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr),
                                                         &std::free);
  return real ? std::string(real.get()) : path;
}

bool cannot_replace(int code) {
  return code == EBUSY || code == EROFS || code == EACCES || code == EPERM || code == EXDEV;
}

}  // namespace

HostsFile::HostsFile(std::string path, std::string network, LogSink log)
    : path_(std::move(path)), network_(std::move(network)), log_(std::move(log)) {}

HostsFile::~HostsFile() {
  if (!is_in_) return;
  if (const Status removed = remove(); !removed && log_) {
    log_(LogLevel::kWarning, removed.error().message);
  }
}

Error HostsFile::error(const char* what, int code) const {
  return Error{fmt::format("cannot {} hosts file {}: {}; choose another with --hosts-file, or "
                           "--hosts-file none",
                           what, path_, std::strerror(code)),
               code};
}

template <class Edit>
Status HostsFile::edit(Edit edit) {
  const std::string real_path = real_path_of(path_);
  const UniqueFd directory(
      ::open(directory_of(real_path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return error("find the directory of the", errno);
  if (const int code = lock(directory.get()); code != 0)
    return error("lock the directory of", code);
  const UniqueFd fd(::open(real_path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd && errno != ENOENT) return error("read", errno);
  std::string before;
  if (const int code = fd ? read_whole(fd.get(), before) : 0; code != 0) return error("read", code);
  const std::string after = edit(before, /*exists=*/static_cast<bool>(fd));
  if (after == before) return {};
  if (after.empty() && is_made_ && ::unlink(real_path.c_str()) == 0) {
    (void)::fsync(directory.get());
    return {};
  }

  const std::string temporary = real_path + ".hawser";
  int code = write_new(temporary, fd.get(), after);
  if (code == 0 && ::rename(temporary.c_str(), real_path.c_str()) != 0) code = errno;
  if (code == 0) {
    (void)::fsync(directory.get());
    return {};
  }
  ::unlink(temporary.c_str());
  if (fd && cannot_replace(code)) code = rewrite_in_place(real_path, before, after);
  if (code != 0) return error("write", code);
  return {};
}

Status HostsFile::write(const std::vector<PlanHostName>& hosts) {
  Status written = edit([&](const std::string& text, bool exists) {
    // A killed daemon may have made it.
    const bool is_ours = !text.empty() && without_hosts_block(text, network_).empty();
    if (!is_in_) is_made_ = !exists || is_ours;
    return with_hosts_block(text, network_, hosts);
  });
  if (written) is_in_ = true;
  return written;
}

Status HostsFile::remove() {
  is_in_ = false;
  return edit([&](const std::string& text, bool) { return without_hosts_block(text, network_); });
}

}  // namespace hawser
