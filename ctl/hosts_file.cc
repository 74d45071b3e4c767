#include "ctl/hosts_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include "ctl/directory_check.h"
#include "ctl/hosts_block.h"
#include "ctl/lock_file.h"
#include "ctl/write_whole.h"
#include "tun/unique_fd.h"

namespace hawser {

namespace {

constexpr mode_t kNewFileMode = 0644;  // of a hosts file that was not there
// Nobody's hosts file; protects against being pointed at a device or a disk image.
constexpr std::size_t kMaxHostsFileLen = std::size_t{64} << 20;

// Others hold the lock for as long as a small file takes to write. Who holds it for longer is
// stopped, or its disk hangs: there will be another try.
constexpr auto kHostsLockWait = std::chrono::milliseconds(500);

// Each returns 0, or an errno.

int read_whole(int fd, std::string& text) {
  std::array<char, 65536> piece{};
  while (text.size() <= kMaxHostsFileLen) {
    const ssize_t got = ::read(fd, piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno;
    if (got == 0) return 0;
    text.append(piece.data(), static_cast<std::size_t>(got));
  }
  return EFBIG;
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
  // A killed run may have left one. Whoever else is at it waits for the lock.
  ::unlink(path.c_str());
  const UniqueFd fd(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return errno;
  if (!is_new) {
    if (::fchown(fd.get(), info.st_uid, info.st_gid) != 0) return errno;
    copy_security_label(like, fd.get());
  }
  if (::fchmod(fd.get(), is_new ? kNewFileMode : info.st_mode & 07777) != 0) return errno;
  return write_to_disk(fd.get(), text);
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

// The file itself, behind symbolic links; a path that leads nowhere stays as it is.
std::string real_path_of(const std::string& path) {
  const std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr),
                                                         &std::free);
  return real ? std::string(real.get()) : path;
}

bool is_unwritable(int code) { return code == EROFS || code == EACCES || code == EPERM; }

// May the file be rewritten in place instead? On a full disk if it gets no longer: so our block
// goes even then.
bool may_rewrite(int code, const std::string& before, const std::string& after) {
  if (code == ENOSPC || code == EDQUOT) return after.size() <= before.size();
  return is_unwritable(code) || code == EBUSY || code == EXDEV;
}

// Where nothing can be made beside the file there is no lock either: that is a container's hosts
// file, and the container's only daemon.
Result<std::optional<LockFile>> lock_beside(const std::string& path) {
  const std::string name = path.substr(path.rfind('/') + 1);
  auto taken = LockFile::take(fmt::format("{}/.{}.hawser.lock", parent_directory(path), name),
                              kHostsLockWait, {});
  if (taken) return std::optional<LockFile>(std::move(*taken));
  if (is_unwritable(taken.error().code)) return std::optional<LockFile>();
  return taken.error();
}

// 0 and a descriptor, 0 and none where there is no file, or an errno.
int open_regular(const std::string& path, UniqueFd& fd) {
  fd = UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return errno == ENOENT ? 0 : errno;
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return errno;
  return S_ISREG(info.st_mode) ? 0 : EINVAL;
}

// Empty: it has none.
std::string own_host_name() {
  std::array<char, HOST_NAME_MAX + 1> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return {};
  return name.data();
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

Error HostsFile::error(const char* what, const std::string& why, int code) const {
  return Error{fmt::format("cannot {} hosts file {}: {}; mend it, or choose another with "
                           "--hosts-file, or --hosts-file none",
                           what, path_, why),
               code};
}

Error HostsFile::error(const char* what, int code) const {
  return error(what, code == EINVAL ? "it is not a regular file" : std::strerror(code), code);
}

template <class Edit>
Status HostsFile::edit(Edit edit) {
  const std::string real_path = real_path_of(path_);
  const UniqueFd directory(
      ::open(parent_directory(real_path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return error("find the directory of the", errno);
  const auto lock = lock_beside(real_path);
  if (!lock) return error("lock", lock.error().message, lock.error().code);
  UniqueFd fd;
  if (const int code = open_regular(real_path, fd); code != 0) return error("read", code);
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
  if (fd && may_rewrite(code, before, after)) code = rewrite_in_place(real_path, before, after);
  if (code != 0) return error("write", code);
  return {};
}

Status HostsFile::write(const std::vector<PlanHostName>& hosts) {
  Status written = edit([&](const std::string& text, bool exists) {
    // A killed daemon may have made it.
    const bool is_ours = !text.empty() && without_hosts_block(text, network_).empty();
    if (!is_in_) is_made_ = !exists || is_ours;
    return with_hosts_block(text, network_, hosts, own_host_name());
  });
  if (written) is_in_ = true;
  return written;
}

Status HostsFile::remove() {
  is_in_ = false;
  return edit([&](const std::string& text, bool) { return without_hosts_block(text, network_); });
}

}  // namespace hawser
