#include "ctl/daemon.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>
#include <utility>

#include "ctl/control_socket.h"
#include "ctl/device_control.h"
#include "ctl/directory_check.h"
#include "ctl/key_file.h"
#include "ctl/network_mode.h"
#include "ctl/plan_change.h"
#include "ctl/service_notify.h"
#include "ctl/status_group.h"
#include "ctl/status_log.h"
#include "ctl/timestamp_file.h"
#include "ctl/uapi_server.h"
#include "ctl/worker_pool.h"
#include "dataplane/device.h"
#include "tun/netlink_config.h"
#include "tun/netlink_monitor.h"
#include "tun/system_clock.h"
#include "tun/system_random.h"
#include "tun/tun_device.h"
#include "tun/udp_sockets.h"

namespace hawser {

namespace asio = boost::asio;
using ErrorCode = boost::system::error_code;

namespace {

// A multi-queue TUN device takes 256 queues (MAX_TAP_QUEUES).
constexpr std::size_t kMaxTunQueues = 256;
// After netlink could not be read: look again then.
constexpr auto kNetlinkRetry = std::chrono::seconds(1);
// A controller that was told to stop forwards for so long after its goodbye: what was on its way to
// it arrives and is passed on. Longer than any round trip on the Internet.
constexpr auto kFarewell = std::chrono::seconds(1);

std::size_t num_usable_cores() {
  cpu_set_t cores{};
  if (::sched_getaffinity(0, sizeof cores, &cores) != 0) return 1;
  return static_cast<std::size_t>(std::max(1, CPU_COUNT(&cores)));
}

bool is_ignored(int signal) {
  struct sigaction present {};
  return ::sigaction(signal, nullptr, &present) == 0 && present.sa_handler == SIG_IGN;
}

}  // namespace

struct Daemon::Impl {
  Impl(const DaemonOptions& given, Logger& to)
      : options(given),
        logger(to),
        log(to.sink()),
        timestamps(given.state_dir, log),
        signals(io),
        netlink(io),
        netlink_retry(io),
        farewell(io) {}
  ~Impl();

  void leave_no_link_local();

  // In this order.
  Status make_state();
  Status make_tun();
  Status make_device();
  Status make_workers();
  Status make_control();
  void make_status_server(ControlTarget& target);
  Status make_monitor();
  Status make_network();

  void start();
  bool run();
  void dump_status();
  void wait_for_netlink();
  void read_netlink();
  Status look();
  void apply(const NetlinkChanges& changes);
  void wait_for_signal();
  void on_signal(int signal);
  void end(const std::string& why);

  DaemonOptions options;
  Logger& logger;
  LogSink log;
  SystemClock clock;
  SystemRandom random;
  TimestampFile timestamps;
  std::string interface;  // as the kernel has it
  std::size_t num_workers = 1;
  std::optional<TunDevice> tun;
  std::unique_ptr<Device> device;
  std::shared_ptr<const UdpSocketGroup> sockets;
  std::unique_ptr<WorkerPool> workers;
  std::unique_ptr<DeviceControl> control;
  std::optional<LoadedPlan> plan;  // until make_control()

  ServiceNotify service;
  asio::io_context io{1};
  asio::signal_set signals;
  std::unique_ptr<NetworkMode> network;  // null: peers come through the control socket
  std::unique_ptr<UapiServer> server;
  std::unique_ptr<UapiServer> status_server;  // null: no group may ask
  std::unique_ptr<NetlinkMonitor> monitor;
  asio::posix::stream_descriptor netlink;  // borrows the monitor's descriptor
  asio::steady_timer netlink_retry;
  asio::steady_timer farewell;
  bool says_goodbye = false;
  bool ending = false;
  bool is_deleted = false;  // the interface
};

Daemon::Impl::~Impl() {
  if (netlink.is_open()) netlink.release();
}

// What is refused is refused before anything is made.
Status Daemon::Impl::make_state() {
  if (options.uapi_fd < 0) {
    if (Status safe = check_directory(options.control_dir, "--control-dir"); !safe) return safe;
  }
  return timestamps.prepare();
}

Status Daemon::Impl::make_tun() {
  num_workers = options.num_workers != 0 ? options.num_workers : num_usable_cores();
  if (num_workers > num_usable_cores()) {
    const std::size_t most = options.no_tun ? num_workers : std::min(num_workers, kMaxTunQueues);
    log(LogLevel::kWarning,
        fmt::format(
            "--workers {}: this process may use {} core{}; {} workers take turns there, and "
            "take memory{}",
            num_workers, num_usable_cores(), num_usable_cores() == 1 ? "" : "s", most,
            most < num_workers ? " (a TUN device has no more queues)" : ""));
  }
  interface = options.interface;
  if (options.no_tun) return {};

  const bool adopted = options.tun_fd >= 0;
  num_workers = adopted ? 1 : std::min(num_workers, kMaxTunQueues);
  if (adopted && options.num_workers > 1) {
    log(LogLevel::kWarning, "a TUN device from WG_TUN_FD has one queue, so there is one worker");
  }
  Result<TunDevice> made = adopted ? TunDevice::adopt(UniqueFd(options.tun_fd))
                                   : TunDevice::create(interface, num_workers, options.mtu);
  if (!made) {
    const std::string holder =
        adopted ? std::string() : find_daemon(options.control_dir, interface);
    if (holder.empty()) return made.error();
    return Error{fmt::format("another daemon serves interface {}: {}; end it, or choose another "
                             "interface name",
                             interface, holder),
                 EADDRINUSE};
  }
  tun.emplace(std::move(*made));
  interface = tun->name();
  if (!adopted) leave_no_link_local();
  return {};
}

// An address that nobody asked for would be saved by wg-quick's SaveConfig, and the kernel would
// send its own multicast from it, which no peer takes.
void Daemon::Impl::leave_no_link_local() {
  const Result<Link> link = find_link(interface);
  const Status left = link ? set_no_link_local(*link) : Status(link.error());
  // A host without IPv6 has none to keep away.
  if (!left && left.error().code != EAFNOSUPPORT) log(LogLevel::kWarning, left.error().message);
}

Status Daemon::Impl::make_device() {
  DeviceChange initial;
  if (plan) {
    initial = plan_change(plan->plan, nullptr, plan->preshared_keys);
    initial.private_key = plan->private_key.clone();
  } else if (!options.private_key_file.empty()) {
    Result<PrivateKey> key = read_private_key_file(options.private_key_file);
    if (!key) return key.error();
    initial.private_key = std::move(*key);
  }
  Result<UdpSocketGroup> opened = open_udp_sockets(num_workers, options.listen_port, options.fwmark,
                                                   Steering::kHandshakesApart);
  if (!opened) return opened.error();
  sockets = std::make_shared<const UdpSocketGroup>(std::move(*opened));
  initial.listen_port = sockets->port;
  initial.fwmark = options.fwmark;

  DeviceOptions wanted;
  wanted.forward = options.forward;
  wanted.has_tun = tun.has_value();
  wanted.own_addresses = options.addresses;
  wanted.mtu = options.mtu;
  device = std::make_unique<Device>(wanted, random, log, &timestamps);
  return device->apply(std::move(initial), clock.now());
}

Status Daemon::Impl::make_workers() {
  auto made = WorkerPool::make(
      {*device, clock, *sockets, tun ? &*tun : nullptr, options.engine, options.aead}, log);
  if (!made) return made.error();
  workers = std::move(*made);
  return {};
}

Status Daemon::Impl::make_control() {
  control = std::make_unique<DeviceControl>(
      *device, clock, sockets, options.listen_port, options.fwmark,
      [this](const UdpSocketGroup& fresh, std::shared_ptr<const UdpSocketGroup> old) {
        workers->exchange_sockets(fresh, std::move(old));
        log(LogLevel::kInfo, fmt::format("listening on UDP port {}", fresh.port));
      });
  sockets.reset();  // the control's from here on

  StatusFacts& facts = control->facts();
  facts.interface = interface;
  facts.forward = options.forward;
  facts.has_tun = tun.has_value();
  facts.is_up = !tun.has_value();
  facts.engine = workers->engine_name();
  facts.engine_reason = workers->engine_reason();
  facts.aead = workers->aead_name();
  facts.num_workers = workers->num_workers();
  facts.started = clock.now().wall.seconds;

  auto socket = options.uapi_fd >= 0 ? ControlSocket::adopt(UniqueFd(options.uapi_fd))
                                     : ControlSocket::listen(options.control_dir, interface, log);
  if (!socket) return socket.error();
  ControlTarget* target = control.get();
  if (plan) {
    std::optional<Link> link;
    if (tun) {
      Result<Link> found = find_link(interface);
      if (!found) return found.error();
      link = std::move(*found);
    }
    network = std::make_unique<NetworkMode>(
        NetworkMode::Parts{io, *device, *control, clock, random, service, std::move(link), options,
                           log,
                           [this] {
                             if (monitor) (void)look();  // read again when it becomes readable
                           }},
        std::move(*plan));
    plan.reset();
    target = network.get();
  }
  server = std::make_unique<UapiServer>(io, std::move(*socket), *target, log);
  if (options.uapi_fd < 0) make_status_server(*target);
  return server->start([this] { end("the control socket was removed"); });
}

// Nobody's network waits for it.
void Daemon::Impl::make_status_server(ControlTarget& target) {
  const std::optional<gid_t> group = find_status_group();
  if (!group) return;
  auto socket = ControlSocket::listen_for_status(options.control_dir, interface, *group, log);
  Status started = socket ? Status() : Status(socket.error());
  if (socket) {
    status_server =
        std::make_unique<UapiServer>(io, std::move(*socket), target, log, status_server_options());
    started = status_server->start({});
  }
  if (!started) {
    log(LogLevel::kWarning, fmt::format("group {} cannot ask for the status: {}", kStatusGroup,
                                        started.error().message));
  }
}

Status Daemon::Impl::make_monitor() {
  // A forwarder without TUN does not depend on it; all others follow their interface with it.
  auto made = NetlinkMonitor::open(tun ? interface : std::string(), tun ? tun->queue(0) : -1);
  if (!made) {
    if (tun) return made.error();
    log(LogLevel::kWarning, "addresses are not followed: " + made.error().message);
    return {};
  }
  monitor = std::move(*made);
  if (tun) device->set_up(false, clock.now());  // until netlink says otherwise
  read_netlink();
  return {};
}

// Addresses, routes and names: after the monitor, which tells the device of them at once.
Status Daemon::Impl::make_network() {
  if (!network) return {};
  if (Status made = network->set_up(); !made) return made;
  if (monitor) read_netlink();
  return {};
}

void Daemon::Impl::start() {
  ErrorCode error;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGUSR1}) {
    // nohup(1) wants a hang-up not to end us. Where it means "reload", there is nothing to ignore.
    if (signal == SIGHUP && !network && is_ignored(signal)) continue;
    signals.add(signal, error);
    if (error) log(LogLevel::kWarning, fmt::format("signal {}: {}", signal, error.message()));
  }
  wait_for_signal();
  workers->start();
  if (network) network->start();
  logger.say(LogLevel::kInfo,
             fmt::format("{} is ready: UDP port {}, engine {}, AEAD {}, {} worker{}, forward {}{}",
                         interface, control->sockets().port, workers->engine_name(),
                         workers->aead_name(), num_workers, num_workers == 1 ? "" : "s",
                         to_string(options.forward), tun ? "" : ", no TUN"));
  service.ready("running");
}

void Daemon::Impl::wait_for_signal() {
  signals.async_wait([this](ErrorCode cancelled, int signal) {
    if (cancelled) return;
    on_signal(signal);
    wait_for_signal();
  });
}

void Daemon::Impl::on_signal(int signal) {
  if (signal == SIGUSR1) return dump_status();
  if (network && signal == SIGHUP) return network->reload_on_signal();
  const std::string why = fmt::format("signal {} ({})", signal, ::strsignal(signal));
  if (says_goodbye || !network || !network->has_goodbyes()) return end(why);
  says_goodbye = true;
  service.stopping();
  logger.say(LogLevel::kInfo, why + ": handing over to the other controllers");
  device->say_goodbye();
  farewell.expires_after(kFarewell);
  farewell.async_wait([this, why](ErrorCode cancelled) {
    if (!cancelled) end(why);
  });
}

// All of it, whatever the limit on log lines: it was asked for.
void Daemon::Impl::dump_status() {
  for (const std::string& line : status_log_lines(control->status(), clock.now().wall.seconds)) {
    logger.say(LogLevel::kInfo, line);
  }
}

bool Daemon::Impl::run() {
  if (!ending) io.run();
  server->stop();
  if (status_server) status_server->stop();
  if (network) network->stop();
  workers->stop();
  logger.say(LogLevel::kInfo,
             summarize_drops(total_drops(device->view(clock.now().boot), control->counters())));
  return !is_deleted;
}

void Daemon::Impl::wait_for_netlink() {
  if (ending) return;
  netlink.async_wait(asio::posix::stream_descriptor::wait_read, [this](ErrorCode error) {
    if (!error && !ending) read_netlink();
  });
}

Status Daemon::Impl::look() {
  const Result<NetlinkChanges> changes = monitor->read();
  if (!changes) return changes.error();
  apply(*changes);
  return {};
}

void Daemon::Impl::read_netlink() {
  ErrorCode error;
  if (!netlink.is_open()) netlink.assign(monitor->fd(), error);
  const Status looked = look();
  if (looked && !error) return wait_for_netlink();
  log(LogLevel::kWarning, "the interface and routes cannot be followed: " +
                              (error ? error.message() : looked.error().message));
  netlink_retry.expires_after(kNetlinkRetry);
  netlink_retry.async_wait([this](ErrorCode cancelled) {
    if (!cancelled && !ending) read_netlink();
  });
}

void Daemon::Impl::apply(const NetlinkChanges& changes) {
  for (const IpAddress& gone : changes.removed_addresses) device->forget_source(gone);
  if (!tun) return;  // no other routes than allowed IPs
  if (changes.routes) device->set_host_routes(*changes.routes);
  if (changes.tunnel && network) network->see(*changes.tunnel);
  if (!changes.link) return;
  if (changes.link->deleted) {
    is_deleted = true;
    return end(fmt::format("interface {} was deleted", interface));
  }
  if (changes.link->mtu != 0) device->set_mtu(changes.link->mtu);
  if (changes.link->up == control->facts().is_up) return;
  control->facts().is_up = changes.link->up;
  device->set_up(changes.link->up, clock.now());
  log(LogLevel::kDebug,
      fmt::format("interface {} is {}", interface, changes.link->up ? "up" : "down"));
}

void Daemon::Impl::end(const std::string& why) {
  if (ending) return;
  ending = true;
  service.stopping();
  logger.say(LogLevel::kInfo, "ending: " + why);
  io.stop();
}

Daemon::Daemon(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Daemon::~Daemon() = default;

Result<std::unique_ptr<Daemon>> Daemon::make(const DaemonOptions& options, Logger& logger,
                                             std::optional<LoadedPlan> network) {
  auto impl = std::make_unique<Impl>(options, logger);
  impl->plan = std::move(network);
  for (const auto step :
       {&Impl::make_state, &Impl::make_tun, &Impl::make_device, &Impl::make_workers,
        &Impl::make_control, &Impl::make_monitor, &Impl::make_network}) {
    if (Status done = (impl.get()->*step)(); !done) return done.error();
  }
  return std::unique_ptr<Daemon>(new Daemon(std::move(impl)));
}

void Daemon::start() { impl_->start(); }

bool Daemon::run() { return impl_->run(); }

}  // namespace hawser
