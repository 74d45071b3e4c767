#include "ctl/cli_up.h"

#include <fmt/format.h>
#include <net/if.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "ctl/cli_names.h"
#include "ctl/daemon_process.h"
#include "ctl/network_file.h"
#include "ctl/set_request.h"
#include "ctl/status_client.h"
#include "ctl/terminal.h"
#include "ctl/wg_quick_file.h"
#include "tun/netlink_config.h"

namespace hawser {

namespace {

constexpr const char* kUndone = "all of it was undone";

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
  const DaemonPlace place{arguments.control_dir, name->interface};
  if (const Status started = start_daemon(daemon_path(arguments), place); !started) {
    return CliOutput::failure(started.error().code == EINTR
                                  ? fmt::format("{}: interrupted; {}", name->interface, kUndone)
                                  : started.error().message);
  }
  if (const Status done = set_up(arguments, *file, *change, name->interface); !done) {
    const Status ended = end_daemon(place);
    return CliOutput::failure(fmt::format("{}: {}; {}", name->interface, done.error().message,
                                          ended ? std::string(kUndone) : ended.error().message));
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
  const Status ended = end_daemon({arguments.control_dir, name->interface});
  if (!ended) return CliOutput::failure(ended.error().message);
  return {fmt::format("{}: down\n", name->interface), {}};
}

}  // namespace hawser
