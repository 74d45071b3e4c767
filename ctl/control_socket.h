#pragma once
#include <sys/types.h>

#include <optional>
#include <string>

#include "base/log_sink.h"
#include "base/result.h"
#include "base/time.h"
#include "tun/unique_fd.h"

namespace hawser {

inline constexpr const char* kDefaultControlDir = "/var/run/wireguard";

// "/var/run/wireguard/wg0.sock"
std::string control_socket_path(const std::string& directory, const std::string& interface);

// "/var/run/wireguard/wg0.status": not a name that wg(8) takes for a control socket.
std::string status_socket_path(const std::string& directory, const std::string& interface);

// ControlSocket is the listening stream socket at DIRECTORY/INTERFACE.sock. The directory is made
// with mode 0755 when it is not there; the socket has mode 0600 from the moment it exists (its
// inode's mode is set before bind(2), so the process' umask is not touched and there is no window).
// A socket file that nobody answers at is stale and replaced; one that is answered at is left
// alone. The file is removed on destruction, if it is still ours.
class ControlSocket {
 public:
  // Errors name the remedy: another daemon serves the interface (EADDRINUSE), the directory cannot
  // be written or is not safe (--control-dir; ctl/directory_check.h), the path is too long or not a
  // socket. Another daemon that starts is waited for, for a few seconds, and `log` says so.
  static Result<ControlSocket> listen(const std::string& directory, const std::string& interface,
                                      const LogSink& log = {});
  // The same at DIRECTORY/INTERFACE.status, for root and `group`, mode 0660. Whoever serves it
  // answers the status only (ctl/uapi_server.h). Needs CAP_CHOWN, or to be in that group.
  static Result<ControlSocket> listen_for_status(const std::string& directory,
                                                 const std::string& interface, gid_t group,
                                                 const LogSink& log = {});
  // Takes over a listening socket that somebody else made (WG_UAPI_FD).
  static Result<ControlSocket> adopt(UniqueFd fd);

  ~ControlSocket();
  ControlSocket(ControlSocket&& other) noexcept;
  ControlSocket& operator=(ControlSocket&& other) noexcept;

  int fd() const { return fd_.get(); }
  const std::string& path() const { return path_; }  // empty: adopted, and it has none
  // The file at path() is still this socket.
  bool still_there() const;

 private:
  static Result<ControlSocket> listen_at(const std::string& path, const std::string& directory,
                                         const std::string& interface, const LogSink& log);
  ControlSocket(UniqueFd fd, std::string path);
  void remove_file();

  UniqueFd fd_;
  std::string path_;
  dev_t device_ = 0;  // of the socket file, to recognize it
  ino_t inode_ = 0;
};

// The process that answers at DIRECTORY/INTERFACE.sock; nullopt: none does.
std::optional<pid_t> daemon_pid(const std::string& directory, const std::string& interface);
// "pid 812 (hawserd)" for the daemon that answers at DIRECTORY/INTERFACE.sock; empty: none does.
std::string find_daemon(const std::string& directory, const std::string& interface);

// A daemon that does not accept for so long, with a queue full of others, hangs.
inline constexpr Duration kConnectTime = std::chrono::seconds(3);

// Connects to the socket at `path`, for clients; ETIMEDOUT when the daemon accepts nobody in time.
Result<UniqueFd> connect_control_socket(const std::string& path, Duration at_most = kConnectTime);

}  // namespace hawser
