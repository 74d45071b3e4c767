#include "ctl/control_socket.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "ctl/directory_check.h"
#include "ctl/lock_file.h"

namespace hawser {

namespace {

constexpr mode_t kDirectoryMode = 0755;
constexpr mode_t kSocketMode = 0600;
constexpr mode_t kStatusMode = 0660;
constexpr int kBacklog = 64;

std::string error_text(int error) { return std::strerror(error); }

Result<sockaddr_un> to_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return Error{fmt::format("the control socket's path {} is longer than {} bytes; choose a "
                             "shorter --control-dir",
                             path, sizeof address.sun_path - 1),
                 ENAMETOOLONG};
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

const sockaddr* generic(const sockaddr_un& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

Status make_directory(const std::string& directory) {
  if (::mkdir(directory.c_str(), kDirectoryMode) == 0) {
    // wg-quick runs with umask 077.
    if (::chmod(directory.c_str(), kDirectoryMode) == 0) return {};
  } else if (errno == EEXIST) {
    return {};
  }
  const int error = errno;
  return Error{fmt::format("cannot make the directory {} for the control socket: {}; choose "
                           "another with --control-dir",
                           directory, error_text(error)),
               error};
}

// Held while looking for and replacing a stale socket, so that of two daemons that start at the
// same time one does not remove the other's. That takes a moment only.
constexpr const char* kLockName = ".hawser.lock";
constexpr auto kLockWait = std::chrono::seconds(10);

Result<UniqueFd> make_socket() {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  // Linux takes the mode of the file that bind(2) makes from the socket's own inode.
  if (!fd || ::fchmod(fd.get(), kSocketMode) != 0) {
    const int error = errno;
    return Error{fmt::format("cannot make a control socket: {}", error_text(error)), error};
  }
  return fd;
}

// Does somebody listen at `address`? A full backlog (EAGAIN) is an answer, too.
bool answers(const sockaddr_un& address) {
  const UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe) return true;
  if (::connect(probe.get(), generic(address), sizeof address) == 0) return true;
  return errno != ECONNREFUSED && errno != ENOENT;
}

Status remove_stale(const std::string& path, const sockaddr_un& address,
                    const std::string& interface) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) {
    if (errno == ENOENT) return {};
    const int error = errno;
    return Error{fmt::format("cannot look at {}: {}", path, error_text(error)), error};
  }
  if (!S_ISSOCK(info.st_mode)) {
    return Error{fmt::format("{} is there and is not a socket; remove it", path), EEXIST};
  }
  if (answers(address)) {
    return Error{fmt::format("another daemon serves interface {}: its control socket {} answers; "
                             "end that daemon, or choose another interface name",
                             interface, path),
                 EADDRINUSE};
  }
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    const int error = errno;
    return Error{
        fmt::format("cannot remove the stale control socket {}: {}", path, error_text(error)),
        error};
  }
  return {};
}

}  // namespace

std::string control_socket_path(const std::string& directory, const std::string& interface) {
  return directory + "/" + interface + ".sock";
}

std::string status_socket_path(const std::string& directory, const std::string& interface) {
  return directory + "/" + interface + ".status";
}

Result<ControlSocket> ControlSocket::listen(const std::string& directory,
                                            const std::string& interface, const LogSink& log) {
  return listen_at(control_socket_path(directory, interface), directory, interface, log);
}

// It begins as root's alone, so there is no moment at which it is open to anybody else. Nobody but
// us writes in the directory, so the path still is our socket.
Result<ControlSocket> ControlSocket::listen_for_status(const std::string& directory,
                                                       const std::string& interface, gid_t group,
                                                       const LogSink& log) {
  Result<ControlSocket> made =
      listen_at(status_socket_path(directory, interface), directory, interface, log);
  if (!made) return made;
  const char* const path = made->path().c_str();
  if (::lchown(path, static_cast<uid_t>(-1), group) != 0 || ::chmod(path, kStatusMode) != 0) {
    const int error = errno;
    return Error{fmt::format("cannot give {} to group {}: {}", path, group, error_text(error)),
                 error};
  }
  return made;
}

Result<ControlSocket> ControlSocket::listen_at(const std::string& path,
                                               const std::string& directory,
                                               const std::string& interface, const LogSink& log) {
  const Result<sockaddr_un> address = to_address(path);
  if (!address) return address.error();
  if (Status made = make_directory(directory); !made) return made.error();
  if (Status safe = check_directory(directory, "--control-dir"); !safe) return safe.error();
  const auto lock = LockFile::take(fmt::format("{}/{}", directory, kLockName), kLockWait, log);
  if (!lock) {
    return Error{lock.error().message + "; or choose another --control-dir", lock.error().code};
  }
  if (Status removed = remove_stale(path, *address, interface); !removed) return removed.error();

  Result<UniqueFd> fd = make_socket();
  if (!fd) return fd.error();
  if (::bind(fd->get(), generic(*address), sizeof *address) != 0 ||
      ::listen(fd->get(), kBacklog) != 0) {
    const int error = errno;
    return Error{fmt::format("cannot make the control socket {}: {}; choose another directory "
                             "with --control-dir",
                             path, error_text(error)),
                 error};
  }
  return ControlSocket(std::move(*fd), path);
}

Result<ControlSocket> ControlSocket::adopt(UniqueFd fd) {
  sockaddr_un address{};
  socklen_t address_len = sizeof address;
  if (::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &address_len) != 0 ||
      address.sun_family != AF_UNIX) {
    fd.release();  // not what it was said to be, so not ours to close
    return Error{"WG_UAPI_FD does not name a Unix socket; unset it, or hand over a listening one",
                 EINVAL};
  }
  int listening = 0;
  socklen_t listening_len = sizeof listening;
  ::getsockopt(fd.get(), SOL_SOCKET, SO_ACCEPTCONN, &listening, &listening_len);
  const int flags = ::fcntl(fd.get(), F_GETFL);
  if ((listening == 0 && ::listen(fd.get(), kBacklog) != 0) || flags < 0 ||
      ::fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) != 0 ||
      ::fcntl(fd.get(), F_SETFD, FD_CLOEXEC) != 0) {
    const int error = errno;
    return Error{
        fmt::format("cannot listen on the socket that WG_UAPI_FD names: {}", error_text(error)),
        error};
  }
  // A path ends at its first zero byte; an unnamed or abstract socket has none.
  const bool named = address_len > offsetof(sockaddr_un, sun_path) && address.sun_path[0] != '\0';
  std::string path =
      named ? std::string(address.sun_path, ::strnlen(address.sun_path, sizeof address.sun_path))
            : std::string();
  return ControlSocket(std::move(fd), std::move(path));
}

ControlSocket::ControlSocket(UniqueFd fd, std::string path)
    : fd_(std::move(fd)), path_(std::move(path)) {
  struct stat info {};
  if (!path_.empty() && ::lstat(path_.c_str(), &info) == 0) {
    device_ = info.st_dev;
    inode_ = info.st_ino;
  }
}

ControlSocket::~ControlSocket() { remove_file(); }

ControlSocket::ControlSocket(ControlSocket&& other) noexcept
    : fd_(std::move(other.fd_)),
      path_(std::exchange(other.path_, {})),
      device_(other.device_),
      inode_(other.inode_) {}

ControlSocket& ControlSocket::operator=(ControlSocket&& other) noexcept {
  if (this != &other) {
    remove_file();
    fd_ = std::move(other.fd_);
    path_ = std::exchange(other.path_, {});
    device_ = other.device_;
    inode_ = other.inode_;
  }
  return *this;
}

bool ControlSocket::still_there() const {
  struct stat info {};
  return !path_.empty() && ::lstat(path_.c_str(), &info) == 0 && info.st_dev == device_ &&
         info.st_ino == inode_;
}

void ControlSocket::remove_file() {
  if (fd_ && still_there()) ::unlink(path_.c_str());
}

std::optional<pid_t> daemon_pid(const std::string& directory, const std::string& interface) {
  const auto socket = connect_control_socket(control_socket_path(directory, interface));
  if (!socket) return std::nullopt;
  ucred holder{};  // whoever called listen(2)
  socklen_t len = sizeof holder;
  if (::getsockopt(socket->get(), SOL_SOCKET, SO_PEERCRED, &holder, &len) != 0) return std::nullopt;
  return holder.pid;
}

std::string find_daemon(const std::string& directory, const std::string& interface) {
  const std::optional<pid_t> pid = daemon_pid(directory, interface);
  return pid ? describe_process(*pid) : std::string();
}

Result<UniqueFd> connect_control_socket(const std::string& path, Duration at_most) {
  const Result<sockaddr_un> address = to_address(path);
  if (!address) return address.error();
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  // Where the queue of those that wait for accept(2) is full, connect(2) waits for so long. Zero
  // would be for ever.
  const auto microseconds = std::chrono::ceil<std::chrono::microseconds>(at_most).count();
  constexpr std::int64_t kSecond = 1'000'000;
  const std::int64_t bounded = std::max<std::int64_t>(microseconds, 1);
  const timeval limit{bounded / kSecond, bounded % kSecond};
  if (fd) ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (!fd || ::connect(fd.get(), generic(*address), sizeof *address) != 0) {
    const int error = errno == EAGAIN ? ETIMEDOUT : errno;
    return Error{fmt::format("cannot connect to {}: {}{}", path, error_text(error),
                             error == EACCES ? "; become root" : ""),
                 error};
  }
  return fd;
}

}  // namespace hawser
