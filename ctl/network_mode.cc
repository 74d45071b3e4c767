#include "ctl/network_mode.h"

#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include "ctl/endpoint_resolver.h"
#include "ctl/exit_routing.h"
#include "ctl/hosts_keeper.h"
#include "ctl/interface_keeper.h"
#include "ctl/interface_setup.h"
#include "ctl/name_resolver.h"
#include "ctl/plan_change.h"
#include "ctl/reload.h"

namespace hawser {

namespace asio = boost::asio;
using ErrorCode = boost::system::error_code;

namespace {

NetworkFacts facts_of(const HostPlan& plan) {
  NetworkFacts facts;
  facts.network = plan.network;
  facts.host = plan.host;
  facts.role = host_role_name(plan.role);
  facts.exit = plan.exit;
  for (const PlanPeer& peer : plan.peers) {
    facts.peers[peer.public_key] = {peer.name, std::string(host_role_name(peer.role)),
                                    peer.endpoint ? peer.endpoint->to_string() : std::string(),
                                    peer.address};
  }
  for (const FailoverRoute& route : plan.failover_routes) {
    if (route.peers.size() < 2) continue;
    auto& via = facts.routes.emplace_back(NetworkFacts::Route{route.destination, {}}).via;
    for (const std::uint32_t index : route.peers) via.push_back(plan.peers[index].public_key);
  }
  return facts;
}

// The peers, and which of its keys this host has.
DeviceChange whole_change(const LoadedPlan& from, const LoadedPlan& to) {
  DeviceChange change = plan_change(to.plan, &from.plan, to.preshared_keys);
  change.private_key = to.private_key.clone();
  return change;
}

void log_lines(const LogSink& log, LogLevel level, std::string_view text) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    log(level, std::string(line));
  }
}

}  // namespace

Result<LoadedPlan> load_network_plan(const DaemonOptions& options) {
  const NetworkOptions& network = *options.network;
  Result<LoadedPlan> loaded =
      load_plan({network.file, network.host, options.private_key_file}, read_local_addresses());
  if (!loaded) return loaded;
  PlanInterface& interface = loaded->plan.interface;
  if (network.mtu) interface.mtu = *network.mtu;
  const bool has_v6 =
      std::any_of(interface.addresses.begin(), interface.addresses.end(),
                  [](const InterfaceAddress& own) { return own.address.family == IpFamily::kV6; });
  if (has_v6 && interface.mtu < kMinMtuV6) {
    return Error{fmt::format("--mtu {}: the network's IPv6 addresses need {} at least",
                             interface.mtu, kMinMtuV6),
                 EINVAL};
  }
  if (network.listen_port) interface.listen_port = *network.listen_port;
  return loaded;
}

Status adopt_plan(DaemonOptions& options, const HostPlan& plan) {
  if (!options.interface.empty() && options.interface != plan.interface.name) {
    return Error{fmt::format("the network file names the interface {}, the command line {}; leave "
                             "it out of one of them",
                             plan.interface.name, options.interface),
                 EINVAL};
  }
  options.interface = plan.interface.name;
  options.mtu = plan.interface.mtu;
  options.listen_port = plan.interface.listen_port.value_or(0);
  if (!options.network->has_forward && plan.role == HostRole::kController) {
    options.forward = ForwardMode::kDirect;
  }
  if (options.fwmark == 0 && !plan.exit.empty()) options.fwmark = kExitMark;
  return {};
}

struct NetworkMode::Impl {
  Impl(Parts given, LoadedPlan running);

  // The ports of its parts.
  Result<LoadedPlan> load();
  Status apply(const LoadedPlan& from, const LoadedPlan& to);

  // The mark of the tunnel's own packets with `plan`; the operator's goes before ours.
  std::uint32_t mark_for(const HostPlan& plan) const;
  Status set_mark(const HostPlan& plan);
  // Can what carries the exit be called? Before that nothing goes there, or no name server would be
  // reached that knows where it is.
  bool exit_is_open(const HostPlan& plan);
  void open_exit();
  InterfaceSettings settings_of(const HostPlan& plan);

  Status extend(const HostPlan& to);
  void reduce(const HostPlan& to);
  void write_hosts(const HostPlan& plan);
  void tell_hosts();
  void now_runs(const HostPlan& plan);
  void warn_of_strict_filter(const HostPlan& plan) const;
  void look() const;
  Status put_back(const InterfaceLack& lack);
  void tell_lack();
  void wait_for_tick();
  void wait_for_confirmation();
  void tell_confirmation();

  Parts parts;
  std::unique_ptr<InterfaceSetup> interface;
  std::unique_ptr<HostsKeeper> hosts;
  std::unique_ptr<InterfaceKeeper> keeper;  // with an interface
  std::string open_exit_name;               // the exit that was open already
  EndpointResolver endpoints;
  Reloader reloader;
  asio::steady_timer tick_timer;
  asio::steady_timer keeper_timer;
  asio::steady_timer confirm_timer;
  std::optional<std::int64_t> taken_back_at;  // Unix time: an unconfirmed reload was
};

NetworkMode::Impl::Impl(Parts given, LoadedPlan running)
    : parts(std::move(given)),
      endpoints({make_system_resolver(parts.io),
                 [this](const PublicKey& key) {
                   return parts.device.view_peer(key, parts.clock.now().boot);
                 },
                 [this](DeviceChange change) {
                   return parts.device.apply(std::move(change), parts.clock.now());
                 }},
                parts.clock, parts.random, parts.log),
      reloader({[this] { return load(); },
                [this](const LoadedPlan& from, const LoadedPlan& to) { return apply(from, to); }},
               std::move(running), parts.log),
      tick_timer(parts.io),
      keeper_timer(parts.io),
      confirm_timer(parts.io) {
  const HostPlan& plan = reloader.running().plan;
  if (parts.link) {
    interface = std::make_unique<InterfaceSetup>(make_netlink_port(*parts.link), parts.log);
    keeper = std::make_unique<InterfaceKeeper>(
        parts.link->name, [this](const InterfaceLack& lack) { return put_back(lack); }, parts.log);
  }
  const std::string& path = parts.options.network->hosts_file;
  if (!path.empty()) hosts = std::make_unique<HostsKeeper>(path, plan.network, parts.log);
}

Result<LoadedPlan> NetworkMode::Impl::load() {
  Result<LoadedPlan> loaded = load_network_plan(parts.options);
  if (!loaded) return loaded;
  for (const std::string& warning : loaded->warnings) parts.log(LogLevel::kWarning, warning);
  return loaded;
}

std::uint32_t NetworkMode::Impl::mark_for(const HostPlan& plan) const {
  const std::uint32_t given = parts.options.fwmark;
  if (given != 0 && given != kExitMark) return given;
  return plan.exit.empty() ? 0 : kExitMark;
}

Status NetworkMode::Impl::set_mark(const HostPlan& plan) {
  DeviceChange change;
  change.fwmark = mark_for(plan);
  return parts.control.set(std::move(change));
}

bool NetworkMode::Impl::exit_is_open(const HostPlan& plan) {
  if (plan.exit.empty()) return false;
  if (plan.exit == open_exit_name) return true;
  const auto can_be_called = [&](std::uint32_t index) {
    const PlanPeer& peer = plan.peers[index];
    if (!peer.endpoint || peer.endpoint->address()) return true;
    const auto view = parts.device.view_peer(peer.public_key, parts.clock.now().boot);
    return view && view->endpoint;
  };
  return std::any_of(plan.failover_routes.begin(), plan.failover_routes.end(),
                     [&](const FailoverRoute& route) {
                       return route.destination.length() == 0 &&
                              std::any_of(route.peers.begin(), route.peers.end(), can_be_called);
                     });
}

InterfaceSettings NetworkMode::Impl::settings_of(const HostPlan& plan) {
  InterfaceSettings settings = InterfaceSettings::of(plan);
  if (exit_is_open(plan)) settings.rules = exit_rules(settings.routes, mark_for(plan));
  return settings;
}

// When the running plan's exit can be used for the first time.
void NetworkMode::Impl::open_exit() {
  const HostPlan& plan = reloader.running().plan;
  if (!interface || plan.exit == open_exit_name || !exit_is_open(plan)) return;
  open_exit_name = plan.exit;
  const InterfaceSettings settings = settings_of(plan);
  if (const Status opened = interface->extend(settings); !opened) {
    parts.log(LogLevel::kError, opened.error().message);
  }
  keeper->want(settings, parts.clock.now().boot);
  look();
  tell_lack();
}

Status NetworkMode::Impl::extend(const HostPlan& to) {
  if (interface) return interface->extend(settings_of(to));
  // Without an interface the device answers for the addresses itself.
  HostRoutes own;
  for (const InterfaceAddress& address : to.interface.addresses) {
    own.own_addresses.push_back(address.address);
  }
  parts.device.set_host_routes(own);
  parts.device.set_mtu(to.interface.mtu);
  return {};
}

void NetworkMode::Impl::reduce(const HostPlan& to) {
  if (interface) interface->reduce(settings_of(to));
}

// A hosts file that cannot be written decides nothing: see ctl/hosts_keeper.h.
void NetworkMode::Impl::write_hosts(const HostPlan& plan) {
  if (hosts) hosts->set(plan.hosts, parts.clock.now().boot);
}

void NetworkMode::Impl::tell_hosts() {
  auto& facts = parts.control.facts().network;
  if (facts && hosts) facts->hosts_problem = hosts->problem();
}

// First everything that is new, then the peers, the names, and at last what is no longer wanted: no
// packet of what stays is without its address or route meanwhile.
Status NetworkMode::Impl::apply(const LoadedPlan& from, const LoadedPlan& to) {
  look();  // what others removed is new again
  // The tunnel's packets have the mark before the rules that it makes an exception for.
  const bool takes_exit = !to.plan.exit.empty();
  if (takes_exit) {
    if (Status marked = set_mark(to.plan); !marked) return marked;
  }
  const auto take_back = [&] {
    if (const Status back = extend(from.plan); !back) {
      parts.log(LogLevel::kError, back.error().message);
    }
    reduce(from.plan);
    if (takes_exit) (void)set_mark(from.plan);
  };
  if (Status extended = extend(to.plan); !extended) {
    take_back();
    return extended;
  }
  if (Status set = parts.control.set(whole_change(from, to)); !set) {
    take_back();
    return set;
  }
  write_hosts(to.plan);
  reduce(to.plan);
  if (!takes_exit && !from.plan.exit.empty()) (void)set_mark(to.plan);
  now_runs(to.plan);
  return {};
}

void NetworkMode::Impl::now_runs(const HostPlan& plan) {
  endpoints.set_plan(plan);
  parts.control.facts().network = facts_of(plan);
  tell_hosts();
  open_exit_name = exit_is_open(plan) ? plan.exit : std::string();
  if (keeper) keeper->want(settings_of(plan), parts.clock.now().boot);
  warn_of_strict_filter(plan);
  look();
  tell_lack();
}

// A strict reverse path filter looks at the answer's way without our mark, and finds the exit.
void NetworkMode::Impl::warn_of_strict_filter(const HostPlan& plan) const {
  if (plan.exit.empty() || !interface) return;
  const auto strict = strict_interfaces("/proc/sys/net/ipv4/conf", parts.link->name);
  if (strict.empty()) return;
  parts.log(LogLevel::kWarning,
            fmt::format("with the exit {}, the strict reverse path filter of {} drops what comes "
                        "from IPv4 endpoints; run: sysctl net.ipv4.conf.all.rp_filter=2",
                        plan.exit, fmt::join(strict, ", ")));
}

void NetworkMode::Impl::look() const {
  if (parts.look) parts.look();
}

Status NetworkMode::Impl::put_back(const InterfaceLack& lack) {
  Status done = interface->put_back(lack);
  look();
  return done;
}

// To the status, to the service manager, and to the timer.
void NetworkMode::Impl::tell_lack() {
  if (!keeper) return;
  std::vector<std::string> missing = keeper->lack().items();
  auto& facts = parts.control.facts().network;
  if (facts && facts->missing != missing) {
    parts.service.status(missing.empty() ? "running"
                                         : fmt::format("running; {} lacks {}", parts.link->name,
                                                       fmt::join(missing, ", ")));
    facts->missing = std::move(missing);
  }
  keeper_timer.cancel();
  const std::optional<Instant> due = keeper->due();
  if (!due) return;
  keeper_timer.expires_after(*due - parts.clock.now().boot);
  keeper_timer.async_wait([this](ErrorCode cancelled) {
    if (cancelled || !keeper) return;
    look();  // it may be back, or away, by now
    keeper->tick(parts.clock.now().boot);
    tell_lack();
  });
}

void NetworkMode::Impl::wait_for_tick() {
  tick_timer.expires_after(kEndpointTick);
  tick_timer.async_wait([this](ErrorCode cancelled) {
    if (cancelled) return;
    endpoints.tick();
    open_exit();
    if (hosts) hosts->tick(parts.clock.now().boot);
    tell_hosts();
    wait_for_tick();
  });
}

void NetworkMode::Impl::wait_for_confirmation() {
  tell_confirmation();
  confirm_timer.cancel();
  const std::optional<Instant> deadline = reloader.deadline();
  if (!deadline) return;
  confirm_timer.expires_after(*deadline - parts.clock.now().boot);
  confirm_timer.async_wait([this](ErrorCode cancelled) {
    if (cancelled) return;
    reloader.tick(parts.clock.now().boot);
    wait_for_confirmation();
    if (taken_back_at) parts.service.ready("running; the last reload was not confirmed");
  });
}

void NetworkMode::Impl::tell_confirmation() {
  auto& facts = parts.control.facts().network;
  if (!facts) return;
  if (!reloader.was_taken_back()) {
    taken_back_at.reset();
  } else if (!taken_back_at) {
    taken_back_at = parts.clock.now().wall.seconds;
  }
  facts->taken_back = taken_back_at;
  facts->confirm_until.reset();
  if (const auto deadline = reloader.deadline()) {
    const Now now = parts.clock.now();
    facts->confirm_until =
        now.wall.seconds + std::chrono::ceil<std::chrono::seconds>(*deadline - now.boot).count();
  }
}

NetworkMode::NetworkMode(Parts parts, LoadedPlan running)
    : impl_(std::make_unique<Impl>(std::move(parts), std::move(running))) {}

// It logs, which throws only when memory is out: then the process may end.
NetworkMode::~NetworkMode() { stop(); }  // NOLINT(bugprone-exception-escape)

Status NetworkMode::set_up() {
  const HostPlan& plan = impl_->reloader.running().plan;
  if (Status extended = impl_->extend(plan); !extended) return extended;
  impl_->write_hosts(plan);
  impl_->now_runs(plan);
  return {};
}

void NetworkMode::start() {
  impl_->endpoints.tick();
  impl_->wait_for_tick();
}

void NetworkMode::stop() {
  impl_->tick_timer.cancel();
  impl_->keeper_timer.cancel();
  impl_->keeper.reset();
  impl_->confirm_timer.cancel();
  impl_->hosts.reset();
  impl_->interface.reset();
}

void NetworkMode::see(const TunnelState& seen) {
  if (!impl_->keeper) return;
  impl_->interface->see(seen);
  impl_->keeper->see(seen, impl_->parts.clock.now().boot);
  impl_->tell_lack();
}

bool NetworkMode::has_goodbyes() const {
  const Overlay overlay = plan_overlay(impl_->reloader.running().plan);
  return !overlay.goodbyes.empty() && !overlay.controllers.empty();
}

void NetworkMode::reload_on_signal() { (void)reload(std::nullopt); }

Status NetworkMode::set(DeviceChange change) {
  const HostPlan& plan = impl_->reloader.running().plan;
  if (change.fwmark && !plan.exit.empty() && *change.fwmark != impl_->mark_for(plan)) {
    return Error{fmt::format("the mark is {:#x} as long as this host takes the exit {}: without it "
                             "the tunnel would run through itself",
                             impl_->mark_for(plan), plan.exit),
                 EBUSY};
  }
  return impl_->parts.control.set(std::move(change));
}

DeviceView NetworkMode::get() { return impl_->parts.control.get(); }

std::string NetworkMode::status() { return impl_->parts.control.status(); }

Status NetworkMode::reload(std::optional<std::uint32_t> confirm_seconds) {
  Impl& impl = *impl_;
  impl.parts.service.reloading();
  Status done = impl.reloader.reload(confirm_seconds, impl.parts.clock.now().boot);
  impl.wait_for_confirmation();
  if (done) {
    impl.parts.log(LogLevel::kInfo,
                   confirm_seconds
                       ? fmt::format("reloaded {}; the old plan returns in {} s unless the reload "
                                     "is confirmed",
                                     impl.parts.options.network->file, *confirm_seconds)
                       : fmt::format("reloaded {}", impl.parts.options.network->file));
  } else {
    log_lines(impl.parts.log, LogLevel::kError, "reload refused: " + done.error().message);
  }
  impl.parts.service.ready(done ? "running" : "running; the last reload was refused");
  return done;
}

Status NetworkMode::confirm() {
  Status done = impl_->reloader.confirm();
  impl_->wait_for_confirmation();
  if (done) impl_->parts.log(LogLevel::kInfo, "the reload is confirmed");
  return done;
}

}  // namespace hawser
