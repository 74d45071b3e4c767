#include "ctl/daemon_process.h"

#include <fmt/format.h>
#include <net/if.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string_view>
#include <thread>
#include <vector>

#include "ctl/child_process.h"
#include "ctl/cli_text.h"
#include "ctl/control_socket.h"
#include "ctl/lock_file.h"
#include "ctl/tun_holders.h"
#include "tun/system_clock.h"
#include "tun/unique_fd.h"

namespace hawser {

namespace {

// A daemon that cannot watch its socket (inotify instances are used up) does not see it go; it is
// then told by signal.
constexpr Duration kSeesItselfTime = std::chrono::seconds(2);
constexpr Duration kEndPoll = std::chrono::milliseconds(50);

// What would make the daemon another one than the file asks for, or hold the command up: it is of
// whoever runs hawserd by hand.
constexpr std::array kNotForTheDaemon{
    std::string_view("WG_PROCESS_FOREGROUND="),
    std::string_view("WG_TUN_FD="),
    std::string_view("WG_UAPI_FD="),
    std::string_view("HAWSER_FOREGROUND="),
    std::string_view("HAWSER_INTERFACE="),
    std::string_view("HAWSER_NETWORK="),
    std::string_view("HAWSER_HOST="),
    std::string_view("HAWSER_NO_TUN="),
    std::string_view("HAWSER_ADDRESS="),
    std::string_view("HAWSER_LISTEN_PORT="),
    std::string_view("HAWSER_PRIVATE_KEY_FILE="),
    std::string_view("HAWSER_FWMARK="),
    std::string_view("HAWSER_MTU="),
};

std::vector<std::string> daemon_environment() {
  std::vector<std::string> out;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const bool is_kept =
        std::none_of(kNotForTheDaemon.begin(), kNotForTheDaemon.end(),
                     [&](std::string_view start) { return text.starts_with(start); });
    if (is_kept) out.emplace_back(text);
  }
  return out;
}

// DaemonHandle is the process that answers at a control socket, and never another one that got its
// number later. Empty where the kernel does not say.
class DaemonHandle {
 public:
  explicit DaemonHandle(const DaemonPlace& place) {
    const std::optional<pid_t> pid = daemon_pid(place.control_dir, place.interface);
    if (!pid || *pid <= 0) return;
    pid_ = *pid;
    fd_ = UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  }
  // Only one that the interface ends with. Whoever listens at a socket may have handed it over
  // (WG_UAPI_FD), and be a service manager: empty, or who it is then.
  std::string terminate(const std::string& interface) const {
    if (!fd_) return "who listened at its control socket is not known";
    if (!is_only_tun_holder(pid_, interface)) {
      return describe_process(pid_) +
             " made its control socket, and is not, or not alone, who has the interface open";
    }
    ::syscall(SYS_pidfd_send_signal, fd_.get(), SIGTERM, nullptr, 0);
    return {};
  }

 private:
  pid_t pid_ = 0;
  UniqueFd fd_;
};

// One that was ended before it was ready has left its socket.
void remove_stale_socket(const DaemonPlace& place) {
  const std::string path = control_socket_path(place.control_dir, place.interface);
  const auto socket = connect_control_socket(path);
  if (!socket && socket.error().code == ECONNREFUSED) ::unlink(path.c_str());
}

}  // namespace

Status start_daemon(const std::string& program, const DaemonPlace& place) {
  ChildProgram daemon;
  daemon.argv = {program, "--control-dir=" + place.control_dir, place.interface};
  daemon.environment = daemon_environment();
  // Ctrl-C is for this command, which then ends the daemon in order.
  daemon.has_own_group = true;
  // It goes to the background when it is ready.
  const Result<int> status = run_program(daemon);
  if (!status && status.error().code == EINTR) remove_stale_socket(place);
  if (!status) {
    Error error = status.error();
    if (error.code != EINTR) error.message += "; say which with --daemon";
    return error;
  }
  if (WIFEXITED(*status) && WEXITSTATUS(*status) == 0) return {};
  return Error{fmt::format("{} did not start for {}", program, place.interface), ECHILD};
}

// Whoever removes the socket asks the daemon to end.
Status end_daemon(const DaemonPlace& place) {
  const std::string path = control_socket_path(place.control_dir, place.interface);
  const DaemonHandle daemon(place);
  if (::unlink(path.c_str()) != 0) {
    const int error = errno;
    return Error{fmt::format("{} cannot be removed: {}", path, std::strerror(error)), error};
  }
  const Instant begin = boot_now();
  bool is_told = false;
  std::string why_not;
  while (::if_nametoindex(place.interface.c_str()) != 0) {
    const Instant now = boot_now();
    // It says goodbye to its peers and closes its device; longer than this it hangs.
    if (now >= begin + kChildEndTime) {
      return Error{fmt::format("the daemon of {} was asked to end {} ago and has not{}{}",
                               place.interface, format_span(kChildEndTime),
                               why_not.empty() ? "" : "; it got no signal: ", why_not),
                   ETIMEDOUT};
    }
    if (!is_told && now >= begin + kSeesItselfTime) {
      why_not = daemon.terminate(place.interface);
      is_told = true;
    }
    std::this_thread::sleep_for(kEndPoll);
  }
  return {};
}

}  // namespace hawser
