#include "ctl/cli_up.h"

#include <fmt/format.h>
#include <net/if.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "ctl/cli_names.h"
#include "ctl/cli_text.h"
#include "ctl/control_socket.h"
#include "ctl/network_file.h"
#include "ctl/set_request.h"
#include "ctl/status_client.h"
#include "ctl/terminal.h"
#include "ctl/wg_quick_file.h"
#include "tun/netlink_config.h"
#include "tun/system_clock.h"
#include "tun/unique_fd.h"

namespace hawser {

namespace {

// A daemon says goodbye to its peers and closes its device; longer than this it hangs.
constexpr Duration kEndTime = std::chrono::seconds(10);
// A daemon that cannot watch its socket (inotify instances are used up) does not see it go; it is
// then told by signal.
constexpr Duration kSeesItselfTime = std::chrono::seconds(2);
constexpr Duration kEndPoll = std::chrono::milliseconds(50);

bool link_exists(const std::string& interface) { return ::if_nametoindex(interface.c_str()) != 0; }

std::string lines_of(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += "\n" + line;
  return text;
}

// What is not done and does no harm: said, and gone on.
std::string warnings_for(const WgQuickFile& file, const std::string& path) {
  std::string text;
  for (const WgQuickSetting& dns : file.dns) {
    text += fmt::format(
        "{}:{}: warning: DNS is left as it is; set {} where this host keeps its "
        "name servers\n",
        path, dns.line, dns.value);
  }
  if (file.save_config) {
    text += fmt::format("{}:{}: warning: SaveConfig is not done: the file stays as it is\n", path,
                        file.save_config->line);
  }
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0 && (info.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    text += fmt::format(
        "{}: warning: others may read it, and the private key in it; chmod 600 {}\n", path, path);
  }
  return text;
}

Result<DeviceChange> change_of(WgQuickFile& file, const std::string& path) {
  DeviceChange change;
  change.private_key = std::move(file.private_key);
  change.listen_port = file.listen_port;
  change.fwmark = file.fwmark;
  change.replace_peers = true;
  for (WgQuickPeer& peer : file.peers) {
    PeerChange& out = change.peers.emplace_back();
    out.public_key = peer.public_key;
    if (peer.preshared_key) out.preshared_key = std::move(*peer.preshared_key);
    out.persistent_keepalive = peer.persistent_keepalive;
    out.replace_allowed_ips = true;
    for (const Prefix& prefix : peer.allowed_ips) out.allowed_ips.push_back({prefix, false});
    if (!peer.endpoint) continue;
    const auto address =
        peer.endpoint->address() ? peer.endpoint->address() : look_up_name(peer.endpoint->host);
    if (!address) {
      return Error{fmt::format("{}:{}: the endpoint's name {} has no address now", path, peer.line,
                               peer.endpoint->host),
                   ENOENT};
    }
    out.endpoint.emplace();
    out.endpoint->address = *address;
    out.endpoint->port = peer.endpoint->port;
  }
  return change;
}

std::string daemon_path(const CliArguments& arguments) {
  if (!arguments.daemon.empty()) return arguments.daemon;
  std::error_code error;
  const auto own = std::filesystem::read_symlink("/proc/self/exe", error);
  const auto beside = own.parent_path() / "hawserd";
  return !error && std::filesystem::exists(beside, error) ? beside.string() : "hawserd";
}

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

// The environment's pointers, a null pointer at the end.
std::vector<char*> daemon_environment() {
  std::vector<char*> out;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const bool is_kept =
        std::none_of(kNotForTheDaemon.begin(), kNotForTheDaemon.end(),
                     [&](std::string_view start) { return text.starts_with(start); });
    if (is_kept) out.push_back(*entry);
  }
  out.push_back(nullptr);
  return out;
}

// The daemon goes to the background when it is ready, and has said on standard error why it is not.
Status start_daemon(const CliArguments& arguments, const std::string& interface) {
  const std::string path = daemon_path(arguments);
  std::string directory = "--control-dir=" + arguments.control_dir;
  std::string name = interface;
  std::string program = path;
  const std::array<char*, 4> argv{program.data(), directory.data(), name.data(), nullptr};
  pid_t child = 0;
  const std::vector<char*> environment = daemon_environment();
  // Ctrl-C is for this command, which then ends the daemon in order.
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  const int error =
      ::posix_spawnp(&child, path.c_str(), nullptr, &attributes, argv.data(), environment.data());
  ::posix_spawnattr_destroy(&attributes);
  if (error != 0) {
    return Error{fmt::format("{} cannot be started: {}; say which with --daemon", path,
                             std::strerror(error)),
                 error};
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    // A program that never goes to the background is ended too.
    if (StopSignals::seen()) ::kill(-child, SIGTERM);
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return Error{fmt::format("{} did not start for {}", path, interface), ECHILD};
}

// DaemonHandle is the process that answers at a control socket, and never another one that got its
// number later. Empty where the kernel does not say.
class DaemonHandle {
 public:
  DaemonHandle(const std::string& control_dir, const std::string& interface) {
    const std::optional<pid_t> pid = daemon_pid(control_dir, interface);
    if (pid && *pid > 0) fd_ = UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, *pid, 0)));
  }
  void terminate() const {
    if (fd_) ::syscall(SYS_pidfd_send_signal, fd_.get(), SIGTERM, nullptr, 0);
  }

 private:
  UniqueFd fd_;
};

// Whoever removes the socket asks the daemon to end.
Status end_daemon(const std::string& control_dir, const std::string& interface) {
  const std::string path = control_socket_path(control_dir, interface);
  const DaemonHandle daemon(control_dir, interface);
  if (::unlink(path.c_str()) != 0) {
    return Error{fmt::format("{} cannot be removed: {}", path, std::strerror(errno)), errno};
  }
  const Instant begin = boot_now();
  bool is_told = false;
  while (link_exists(interface)) {
    const Instant now = boot_now();
    if (now >= begin + kEndTime) {
      return Error{fmt::format("the daemon of {} was asked to end {} ago and has not", interface,
                               format_span(kEndTime)),
                   ETIMEDOUT};
    }
    if (!is_told && now >= begin + kSeesItselfTime) {
      daemon.terminate();
      is_told = true;
    }
    std::this_thread::sleep_for(kEndPoll);
  }
  return {};
}

Status set_up_link(const WgQuickFile& file, const std::vector<Prefix>& routes,
                   const std::string& interface) {
  if (file.mtu) {
    if (Status done = set_link_mtu(interface, *file.mtu); !done) return done;
  }
  for (const InterfaceAddress& own : file.addresses) {
    if (Status done = add_address(interface, own.address, own.prefix_len); !done) return done;
  }
  if (Status done = set_link_up(interface); !done) return done;
  for (const Prefix& prefix : routes) {
    if (Status done = add_route(interface, {prefix}); !done) return done;
  }
  return {};
}

// Allowed IPs outside of what the addresses bring by themselves.
std::vector<Prefix> routes_of(const WgQuickFile& file) {
  std::vector<Prefix> routes;
  if (file.table) return routes;  // off
  for (const WgQuickPeer& peer : file.peers) {
    for (const Prefix& prefix : peer.allowed_ips) {
      const bool is_connected =
          std::any_of(file.addresses.begin(), file.addresses.end(),
                      [&](const InterfaceAddress& own) { return own.connected() == prefix; });
      if (!is_connected) routes.push_back(prefix);
    }
  }
  std::sort(routes.begin(), routes.end());
  routes.erase(std::unique(routes.begin(), routes.end()), routes.end());
  return routes;
}

Status set_up(const CliArguments& arguments, const WgQuickFile& file, const DeviceChange& change,
              const std::string& interface) {
  const std::vector<Prefix> routes = routes_of(file);
  Status done = request_set(arguments.control_dir, interface, make_set_request(change).view());
  if (done) done = set_up_link(file, routes, interface);
  if (done && StopSignals::seen()) done = Error{"interrupted", EINTR};
  return done;
}

// What is wrong with ending, without its hooks and routes, what wg-quick(8) has brought up; empty:
// nothing. A file that cannot be read says nothing.
std::vector<std::string> of_wg_quick(const std::string& path) {
  Result<std::string> read = read_text_file(path);
  if (!read) return {};
  const SecretText text(std::move(*read));
  const Result<WgQuickFile> file = parse_wg_quick(text.view(), path);
  return file ? unsupported_settings(*file, path) : std::vector<std::string>();
}

}  // namespace

CliOutput bring_up(const CliArguments& arguments) {
  const Result<WgQuickName> name = wg_quick_name(arguments.wg_quick_file);
  if (!name) return CliOutput::failure(name.error().message);
  Result<std::string> read = read_text_file(name->path);
  if (!read) return CliOutput::failure(read.error().message);
  const SecretText text(std::move(*read));
  Result<WgQuickFile> file = parse_wg_quick(text.view(), name->path);
  if (!file) return CliOutput::failure("nothing was done:\n" + file.error().message);
  if (const auto unsupported = unsupported_settings(*file, name->path); !unsupported.empty()) {
    return CliOutput::failure("nothing was done:" + lines_of(unsupported));
  }
  if (link_exists(name->interface)) {
    return CliOutput::failure(
        fmt::format("there is an interface {0} already; hawser down {0}, or "
                    "rename the file",
                    name->interface));
  }
  const Result<DeviceChange> change = change_of(*file, name->path);
  if (!change) return CliOutput::failure("nothing was done:\n" + change.error().message);
  const StopSignals signals;  // from here on something is half done
  if (const Status started = start_daemon(arguments, name->interface); !started) {
    return CliOutput::failure(started.error().message);
  }
  if (const Status done = set_up(arguments, *file, *change, name->interface); !done) {
    const Status ended = end_daemon(arguments.control_dir, name->interface);
    return CliOutput::failure(
        fmt::format("{}: {}; {}", name->interface, done.error().message,
                    ended ? std::string("all of it was undone") : ended.error().message));
  }
  return {fmt::format("{}: up\n", name->interface), warnings_for(*file, name->path)};
}

CliOutput bring_down(const CliArguments& arguments) {
  const Result<WgQuickName> name = wg_quick_name(arguments.wg_quick_file);
  if (!name) return CliOutput::failure(name.error().message);
  const auto status = query_status(arguments.control_dir, name->interface, arguments.timeout);
  if (!status) return CliOutput::failure(status.error().message);
  if (!status_value(status->device, "network").empty()) {
    return CliOutput::failure(
        fmt::format("{} runs a network, which hawser up did not start; end it where it was started "
                    "(systemctl stop hawserd@…)",
                    name->interface));
  }
  if (const auto others = of_wg_quick(name->path); !others.empty()) {
    return CliOutput::failure(fmt::format(
        "nothing was done: hawser up does not start {0}; wg-quick does, and ends it with "
        "its hooks and routes: wg-quick down {0}{1}",
        arguments.wg_quick_file, lines_of(others)));
  }
  const Status ended = end_daemon(arguments.control_dir, name->interface);
  if (!ended) return CliOutput::failure(ended.error().message);
  return {fmt::format("{}: down\n", name->interface), {}};
}

}  // namespace hawser
