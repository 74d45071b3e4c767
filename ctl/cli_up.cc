#include "ctl/cli_up.h"

#include <fmt/format.h>
#include <net/if.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ctl/cli_names.h"
#include "ctl/control_socket.h"
#include "ctl/daemon_process.h"
#include "ctl/exit_routing.h"
#include "ctl/lock_file.h"
#include "ctl/network_file.h"
#include "ctl/resolvconf.h"
#include "ctl/set_request.h"
#include "ctl/status_client.h"
#include "ctl/terminal.h"
#include "ctl/tun_holders.h"
#include "ctl/wg_quick_file.h"
#include "ctl/wg_quick_hooks.h"
#include "ctl/wg_quick_routing.h"
#include "tun/netlink_config.h"

namespace hawser {

namespace {

constexpr const char* kUndone = "all of it was undone";

bool link_exists(const std::string& interface) { return ::if_nametoindex(interface.c_str()) != 0; }

Status go_on() {
  if (StopSignals::seen()) return Error{"interrupted", EINTR};
  return {};
}

// What is not done and does no harm: said, and gone on.
std::string warnings_for(const WgQuickFile& file, const std::string& path, bool has_resolvconf) {
  std::string text;
  for (const WgQuickSetting& dns : file.dns) {
    if (has_resolvconf) break;
    text += fmt::format(
        "{}:{}: warning: there is no resolvconf here, DNS is left as it is; set {} where this "
        "host keeps its name servers\n",
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

// A strict reverse path filter looks at the answer's way without the mark, and finds the tunnel.
std::string filter_warning(const WgQuickRouting& routing, const std::string& interface) {
  const bool takes_v4 =
      std::any_of(routing.rules.begin(), routing.rules.end(),
                  [](const PolicyRule& rule) { return rule.family == IpFamily::kV4; });
  if (!takes_v4) return {};
  const auto strict = strict_interfaces("/proc/sys/net/ipv4/conf", interface);
  if (strict.empty()) return {};
  return fmt::format(
      "{}: warning: the strict reverse path filter of {} drops what comes from IPv4 endpoints; "
      "run: sysctl net.ipv4.conf.all.rp_filter=2\n",
      interface, fmt::join(strict, ", "));
}

Result<DeviceChange> change_of(WgQuickFile& file, const std::string& path) {
  DeviceChange change;
  change.private_key = std::move(file.private_key);
  change.listen_port = file.listen_port;
  change.fwmark = routing_of(file).fwmark;
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

Status set_up_link(const WgQuickFile& file, const Link& link) {
  if (file.mtu) {
    if (Status done = set_link_mtu(link, *file.mtu); !done) return done;
  }
  for (const InterfaceAddress& own : file.addresses) {
    if (Status done = add_address(link, own.address, own.prefix_len); !done) return done;
  }
  return set_link_up(link);
}

Status set_up_routing(const WgQuickRouting& routing, const Link& link) {
  // A daemon that was killed has left its own.
  if (Status done = remove_stale_rules(); !done) return done;
  for (const TunnelRoute& route : routing.routes) {
    if (Status done = add_route(link, route); !done) return done;
  }
  // Last: what they lead to is there.
  for (const PolicyRule& rule : routing.rules) {
    if (Status done = add_rule(rule); !done) return done;
  }
  return {};
}

// TunnelUp is a file on its way to a tunnel, step by step as wg-quick(8) does it.
class TunnelUp {
 public:
  TunnelUp(const CliArguments& arguments, const WgQuickName& name, WgQuickFile file,
           DeviceChange change)
      : place_{arguments.control_dir, name.interface},
        daemon_(daemon_path(arguments)),
        name_(name),
        file_(std::move(file)),
        routing_(routing_of(file_)),
        change_(std::move(change)) {}

  Status run() {
    if (Status done = run_hooks(file_, "PreUp", name_); !done) return done;
    if (Status started = start_daemon(daemon_, place_); !started) return started;
    has_daemon_ = true;
    if (Status done = hand_over(); !done) return done;
    const Result<Link> link = find_link(name_.interface);
    if (!link) return link.error();
    if (Status done = set_up_link(file_, *link); !done) return done;
    if (Status done = set_up_dns(); !done) return done;
    if (Status done = set_up_routing(routing_, *link); !done) return done;
    if (Status done = go_on(); !done) return done;
    if (Status done = run_hooks(file_, "PostUp", name_); !done) return done;
    return go_on();
  }

  // What there is of it; and what cannot be undone. The interface takes its routes along.
  std::string undo() {
    std::vector<std::string> faults;
    const auto note = [&](const Status& done) {
      if (!done) faults.push_back(done.error().message);
    };
    if (has_daemon_) {
      note(end_daemon(place_));
      note(remove_stale_rules());
    }
    if (has_dns_) note(remove_name_servers(place_));
    if (!faults.empty()) return fmt::format("{}", fmt::join(faults, "; "));
    if (has_hooks(file_, "PreUp") || has_hooks(file_, "PostUp")) {
      return fmt::format("{}, but for what its hooks did", kUndone);
    }
    return kUndone;
  }

  std::string warnings() const {
    return warnings_for(file_, name_.path, has_resolvconf_) +
           filter_warning(routing_, name_.interface);
  }

 private:
  // From then on the daemon alone has the keys.
  Status hand_over() {
    const DeviceChange change = std::exchange(change_, {});
    const SecretText request = make_set_request(change);
    return request_set(place_.control_dir, place_.interface, request.view());
  }

  Status set_up_dns() {
    if (file_.dns.empty()) return go_on();
    has_dns_ = true;  // also when it fails half way
    const Result<bool> done = set_name_servers(place_, resolvconf_text(file_.dns));
    if (!done) return done.error();
    has_resolvconf_ = *done;
    return go_on();
  }

  DaemonPlace place_;
  std::string daemon_;
  WgQuickName name_;
  WgQuickFile file_;
  WgQuickRouting routing_;
  DeviceChange change_;  // until the daemon has it
  bool has_daemon_ = false;
  bool has_dns_ = false;
  bool has_resolvconf_ = false;
};

Result<WgQuickFile> read_wg_quick(const WgQuickName& name) {
  Result<std::string> read = read_text_file(name.path);
  if (!read) return read.error();
  const SecretText text(std::move(*read));
  return parse_wg_quick(text.view(), name.path);
}

// What hawser down says of a tunnel that is somebody else's; empty: it is ours, or nobody's.
std::string fault_of_owner(const StatusAnswer& status, const WgQuickName& name) {
  if (!status_value(status.device, "network").empty()) {
    return fmt::format(
        "{} runs a network, which hawser up did not start; end it where it was started "
        "(systemctl stop hawserd@…)",
        name.interface);
  }
  const auto mark = static_cast<std::uint32_t>(status_number(status.device, "fwmark"));
  const Result<bool> is_wg_quicks = mark == 0 ? Result<bool>(false) : has_rule_of_others(mark);
  if (!is_wg_quicks || !*is_wg_quicks) return {};
  return fmt::format(
      "nothing was done: wg-quick gave {0} its default route, and takes it away: wg-quick down {0}",
      name.interface);
}

// Why the interface of a daemon that answers cannot be ended from here; empty: it can. Control
// sockets are in the file system, which network namespaces share.
std::string fault_of_namespace(const StatusAnswer& status, const DaemonPlace& place) {
  if (status_value(status.device, "tun") != "true") return {};
  const std::string& interface = place.interface;
  const pid_t pid = daemon_pid(place.control_dir, interface).value_or(0);
  const bool is_beside_us = pid <= 0 || shares_network_namespace(pid).value_or(true);
  if (is_beside_us && link_exists(interface)) return {};
  // It may have been moved to where we are; else the one here is a namesake.
  if (!is_beside_us && link_exists(interface) && !has_interface(pid, interface)) return {};
  // Who made the socket may have handed it over to the daemon.
  const std::vector<pid_t> holders = tun_holders(interface);
  const bool is_daemon = std::find(holders.begin(), holders.end(), pid) != holders.end();
  if (is_daemon && !is_beside_us) {
    return fmt::format(
        "nothing was done: {0} is in the network namespace of its daemon, {1}, and not in this "
        "one; run: nsenter --net=/proc/{2}/ns/net hawser down {0}",
        interface, describe_process(pid), pid);
  }
  return fmt::format(
      "nothing was done: {} was renamed, or moved to another network namespace; run hawser down "
      "where "
      "it is, under this name, or end its daemon{}",
      interface,
      is_daemon ? ", " + describe_process(pid)
      : pid > 0 ? " (its control socket was made by " + describe_process(pid) + ")"
                : "");
}

// A step that fails is said, and does not keep the rest from being done; but what somebody
// interrupts before the daemon is asked to end stays as it is.
CliOutput take_down(const DaemonPlace& place, const WgQuickName& name, bool is_typed) {
  std::vector<std::string> faults;
  const auto note = [&](const Status& done) {
    if (!done) faults.push_back(done.error().message);
  };
  Result<WgQuickFile> file = read_wg_quick(name);
  if (file) file->forget_keys();
  // The interface may have been brought up by other means than a file.
  if (!file && (is_typed || file.error().code != ENOENT)) {
    faults.push_back(
        fmt::format("no hooks were run, as the file cannot be read: {}", file.error().message));
  }
  if (file) note(run_hooks(*file, "PreDown", name, {.goes_on = true}));
  if (StopSignals::seen()) {
    faults.push_back(fmt::format("{}: interrupted; it is still up", name.interface));
    return CliOutput::failure(fmt::format("{}", fmt::join(faults, "\n")));
  }
  if (const Status ended = end_daemon(place); !ended) {
    note(ended);
    return CliOutput::failure(fmt::format("{}", fmt::join(faults, "\n")));
  }
  note(remove_stale_rules());
  if (has_name_servers(place) || (file && !file->dns.empty())) note(remove_name_servers(place));
  // There is no second time for them: a signal does not stop them.
  if (file) note(run_hooks(*file, "PostDown", name, {.goes_on = true, .stops = false}));
  std::string done = fmt::format("{}: down\n", name.interface);
  if (faults.empty()) return {std::move(done), {}};
  CliOutput output = CliOutput::failure(fmt::format("{}", fmt::join(faults, "\n")));
  output.out = std::move(done);
  return output;
}

}  // namespace

CliOutput bring_up(const CliArguments& arguments) {
  const Result<WgQuickName> name = wg_quick_name(arguments.wg_quick_file);
  if (!name) return CliOutput::failure(name.error().message);
  Result<WgQuickFile> file = read_wg_quick(*name);
  if (!file) return CliOutput::failure("nothing was done:\n" + file.error().message);
  // A PostUp may fetch the key from where it is safe: wg set %i private-key …
  if (file->private_key.is_zero() && !has_hooks(*file, "PostUp")) {
    return CliOutput::failure(
        fmt::format("nothing was done:\n{}: there is no PrivateKey", name->path));
  }
  if (link_exists(name->interface)) {
    return CliOutput::failure(
        fmt::format("there is an interface {0} already; hawser down {0}, or "
                    "rename the file",
                    name->interface));
  }
  Result<DeviceChange> change = change_of(*file, name->path);
  if (!change) return CliOutput::failure("nothing was done:\n" + change.error().message);
  const StopSignals signals;  // from here on something is half done
  TunnelUp tunnel(arguments, *name, std::move(*file), std::move(*change));
  if (const Status done = tunnel.run(); !done) {
    const std::string undone = tunnel.undo();
    return CliOutput::failure(
        fmt::format("{}: {}; {}", name->interface, done.error().message, undone));
  }
  return {fmt::format("{}: up\n", name->interface), tunnel.warnings()};
}

CliOutput bring_down(const CliArguments& arguments) {
  const Result<WgQuickName> name = wg_quick_name(arguments.wg_quick_file);
  if (!name) return CliOutput::failure(name.error().message);
  const DaemonPlace place{arguments.control_dir, name->interface};
  const auto status = query_status(place.control_dir, place.interface, arguments.timeout);
  if (!status) {
    // A daemon that was killed has left its rules and its name servers. One that only does not
    // answer has them still.
    const bool has_daemon = status.error().code != ENOENT && status.error().code != ECONNREFUSED;
    if (!has_daemon && !link_exists(name->interface)) {
      (void)remove_stale_rules();
      if (has_name_servers(place)) (void)remove_name_servers(place);
    }
    return CliOutput::failure(status.error().message);
  }
  if (const std::string fault = fault_of_namespace(*status, place); !fault.empty()) {
    return CliOutput::failure(fault);
  }
  if (const std::string fault = fault_of_owner(*status, *name); !fault.empty()) {
    return CliOutput::failure(fault);
  }
  const StopSignals signals;
  return take_down(place, *name, /*is_typed=*/arguments.wg_quick_file == name->path);
}

}  // namespace hawser
