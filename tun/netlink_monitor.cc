#include "tun/netlink_monitor.h"

#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

#include "tun/boot_timer.h"
#include "tun/errno_error.h"
#include "tun/namespace_watch.h"
#include "tun/system_clock.h"
#include "tun/unique_fd.h"

namespace hawser {
namespace {

// The first change after a quiet time is told at once; the next ones are gathered for this long, so
// that a routing daemon's churn is written in few turns.
constexpr Duration kGatherTime = std::chrono::milliseconds(100);

// What identifies a network namespace.
struct NamespaceId {
  dev_t device = 0;
  ino_t inode = 0;
  friend bool operator==(const NamespaceId&, const NamespaceId&) = default;
};

NamespaceId id_of(const struct stat& status) { return {status.st_dev, status.st_ino}; }

class Monitor final : public NetlinkMonitor {
 public:
  explicit Monitor(int tun_fd) : tun_fd_(tun_fd) {}
  Status open(const std::string& interface);

  int fd() const override { return epoll_.get(); }
  Result<NetlinkChanges> read() override;

 private:
  enum class Whereabouts : std::uint8_t { kHere, kElsewhere, kGone };

  Status watch(int fd);
  // Where the interface is now, and its name there; `other` is its namespace if kElsewhere.
  Whereabouts find_interface(std::string& name, UniqueFd& other) const;
  Status follow_interface();
  Status follow_into(const UniqueFd& other, const std::string& name);
  NamespaceWatch& tun_watch() { return away_ != nullptr ? *away_ : *home_; }
  Status refresh(NamespaceWatch& watch, Instant now);
  void take_tunnel(NetlinkChanges& changes);
  void take_routes(NetlinkChanges& changes, Instant now);

  int tun_fd_;
  std::string name_;  // as it was at the beginning
  NamespaceId home_id_;
  UniqueFd epoll_;
  BootTimer timer_;
  std::unique_ptr<NamespaceWatch> home_;  // where the UDP sockets are
  std::unique_ptr<NamespaceWatch> away_;  // where the interface is, if not at home
  Instant next_report_{};
};

Status Monitor::open(const std::string& interface) {
  name_ = interface;
  struct stat status {};
  if (stat("/proc/thread-self/ns/net", &status) < 0) {
    return errno_error("/proc/thread-self/ns/net", errno);
  }
  home_id_ = id_of(status);
  epoll_ = UniqueFd(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_) return errno_error("epoll_create1", errno);
  if (!timer_.open()) return errno_error("timerfd_create(CLOCK_BOOTTIME)", errno);
  if (Status watched = watch(timer_.fd()); !watched) return watched;
  // It may have been moved before anybody could watch.
  std::string name = interface;
  UniqueFd other;
  const Whereabouts where = tun_fd_ >= 0 ? find_interface(name, other) : Whereabouts::kHere;
  home_ = std::make_unique<NamespaceWatch>();
  const bool is_here = where == Whereabouts::kHere && tun_fd_ >= 0;
  if (Status opened = home_->open(is_here ? name : std::string()); !opened) return opened;
  if (Status watched = watch(home_->fd()); !watched) return watched;
  if (where == Whereabouts::kGone) return Error{"there is no interface " + interface, ENODEV};
  if (where == Whereabouts::kElsewhere) {
    if (Status followed = follow_into(other, name); !followed) return followed;
  }
  timer_.fire_by(boot_now());  // the first read tells all
  return {};
}

Status Monitor::watch(int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0) return {};
  return errno_error("epoll_ctl", errno);
}

Monitor::Whereabouts Monitor::find_interface(std::string& name, UniqueFd& other) const {
  ifreq request{};
  if (ioctl(tun_fd_, TUNGETIFF, &request) < 0) return Whereabouts::kGone;
  name.assign(request.ifr_name, strnlen(request.ifr_name, IFNAMSIZ));
  // Without CAP_NET_ADMIN, or before Linux 5.2, it cannot be asked; then it is most likely here.
  other = UniqueFd(ioctl(tun_fd_, TUNGETDEVNETNS));
  struct stat status {};
  if (!other || fstat(other.get(), &status) < 0) {
    return errno == EBADFD ? Whereabouts::kGone : Whereabouts::kHere;
  }
  return id_of(status) == home_id_ ? Whereabouts::kHere : Whereabouts::kElsewhere;
}

// The interface left the namespace in which it was watched: it is gone, or was moved.
Status Monitor::follow_interface() {
  if (away_ != nullptr) epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, away_->fd(), nullptr);
  away_.reset();
  std::string name;
  UniqueFd other;
  switch (find_interface(name, other)) {
    case Whereabouts::kGone:
      return {};
    case Whereabouts::kElsewhere:
      return follow_into(other, name);
    case Whereabouts::kHere:
      break;
  }
  auto home = std::make_unique<NamespaceWatch>();
  if (Status opened = home->open(name); !opened) return opened;
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, home_->fd(), nullptr);
  home_ = std::move(home);
  return watch(home_->fd());
}

Status Monitor::follow_into(const UniqueFd& other, const std::string& name) {
  auto away = std::make_unique<NamespaceWatch>();
  Status status;
  // A socket belongs to the namespace of the thread that makes it, and a thread's namespace is its
  // own affair; so one goes there, and does not come back.
  std::thread traveller([&] {
    status = setns(other.get(), CLONE_NEWNET) < 0
                 ? errno_error("cannot follow " + name + " into its network namespace", errno)
                 : away->open(name);
  });
  traveller.join();
  if (!status) return status;
  away_ = std::move(away);
  return watch(away_->fd());
}

Result<NetlinkChanges> Monitor::read() {
  timer_.acknowledge();
  const Instant now = boot_now();
  if (Status status = home_->read(); !status) return status.error();
  if (away_ != nullptr) {
    if (Status status = away_->read(); !status) return status.error();
  }
  if (Status status = refresh(*home_, now); !status) return status.error();
  if (away_ != nullptr) {
    if (Status status = refresh(*away_, now); !status) return status.error();
  }
  NetlinkChanges changes;
  changes.removed_addresses = home_->take_removed_addresses();
  changes.link = tun_watch().take_link_change();
  if (changes.link.has_value() && changes.link->deleted && tun_fd_ >= 0) {
    if (Status status = follow_interface(); !status) return status.error();
    // Wherever it is now tells its state there; nowhere at all leaves it deleted.
    const std::optional<LinkState> found = tun_watch().take_link_change();
    if (found.has_value()) changes.link = found;
  }
  take_tunnel(changes);
  take_routes(changes, now);
  return changes;
}

Status Monitor::refresh(NamespaceWatch& watch, Instant now) {
  const Result<std::optional<Instant>> again = watch.refresh(now);
  if (!again) return again.error();
  if (again->has_value()) timer_.fire_by(**again);
  return {};
}

// At once, unlike the routes of the host: somebody may wait for it.
void Monitor::take_tunnel(NetlinkChanges& changes) {
  changes.tunnel = tun_watch().take_tunnel_change();
  if (!changes.tunnel) return;
  if (away_ != nullptr) {
    changes.tunnel->place = TunnelState::Place::kMoved;
    changes.tunnel->rules = home_->rules();
  } else if (changes.tunnel->name != name_) {
    changes.tunnel->place = TunnelState::Place::kRenamed;
  }
}

void Monitor::take_routes(NetlinkChanges& changes, Instant now) {
  if (!tun_watch().routes_changed() && !home_->routes_changed()) return;
  if (now < next_report_) {
    timer_.fire_by(next_report_);
    return;
  }
  changes.routes = tun_watch().take_routes();
  // Of the namespace that it is not in, only the addresses matter.
  if (away_ != nullptr) changes.routes->outer_addresses = home_->take_routes().own_addresses;
  next_report_ = now + kGatherTime;
}

}  // namespace

Result<std::unique_ptr<NetlinkMonitor>> NetlinkMonitor::open(const std::string& interface,
                                                             int tun_fd) {
  auto monitor = std::make_unique<Monitor>(tun_fd);
  const Status opened = monitor->open(interface);
  if (!opened) return opened.error();
  return std::unique_ptr<NetlinkMonitor>(std::move(monitor));
}

}  // namespace hawser
