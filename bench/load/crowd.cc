#include "bench/load/crowd.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "bench/load/clock.h"
#include "bench/load/crowd_plan.h"
#include "bench/load/udp_socket.h"

namespace hawser::load {
namespace {

// Calls between two looks at the sockets, so that answers do not wait for a whole crowd's calls.
constexpr int kCallsInARow = 16;
constexpr std::size_t kEventsAtOnce = 64;
constexpr std::int64_t kNanosPerMilli = 1'000'000;
constexpr std::int64_t kRetry = std::chrono::nanoseconds(kRekeyTimeout).count();
constexpr std::int64_t kJitter = std::chrono::nanoseconds(kMaxTimerJitter).count();

}  // namespace

Result<Crowd> Crowd::open(const PeerPlan& plan, std::size_t num, const SidePlace& place,
                          const IpAddress& first_source) {
  Result<std::vector<UniqueFd>> sockets =
      open_udp_sockets_in(place.network_namespace, num, place.controller, first_source);
  if (!sockets) return sockets.error();
  Crowd crowd(UniqueFd(::epoll_create1(EPOLL_CLOEXEC)));
  const PublicKey controller = plan.controller_key().derive_public();
  crowd.peers_.reserve(num);
  for (std::size_t n = 0; n < num; ++n) {
    crowd.peers_.emplace_back(CrowdPlan::peer(plan, n), controller, std::move((*sockets)[n]));
    Status watched = crowd.watch(crowd.peers_.back().fd(), static_cast<std::uint32_t>(n));
    if (!watched) return watched.error();
  }
  return crowd;
}

Status Crowd::watch(int fd, std::uint32_t n) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u32 = n;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0) return {};
  return Error{std::string("epoll: ") + std::strerror(errno), errno};
}

std::int64_t Crowd::time_within(std::int64_t span_ns) {
  if (span_ns < kNanosPerMilli) return 0;
  return kNanosPerMilli * random_.below(static_cast<std::uint32_t>(span_ns / kNanosPerMilli));
}

CrowdTally Crowd::connect(std::int64_t spread_ns, std::int64_t timeout_ns, Aead& aead) {
  CrowdTally tally;
  connected_.assign(peers_.size(), false);
  calls_ = {};
  if (spread_ns == 0) {
    call_all(tally);
  } else {
    tally.begun_at = monotonic_ns();
    for (std::uint32_t n = 0; n < peers_.size(); ++n) {
      calls_.emplace(tally.begun_at + time_within(spread_ns), n);
    }
  }
  const std::int64_t start = tally.begun_at;
  std::array<epoll_event, kEventsAtOnce> events;
  while (tally.connected_at.size() < peers_.size() && monotonic_ns() < start + timeout_ns) {
    call_due(tally);
    const std::int64_t left = calls_.empty() ? kRetry : calls_.top().first - monotonic_ns();
    const int wait = left <= 0 ? 0 : static_cast<int>(std::min(left, kRetry) / kNanosPerMilli) + 1;
    const int num = ::epoll_wait(epoll_.get(), events.data(), kEventsAtOnce, wait);
    for (int i = 0; i < num; ++i) take(events[static_cast<std::size_t>(i)].data.u32, tally, aead);
  }
  std::sort(tally.connected_at.begin(), tally.connected_at.end());
  return tally;
}

void Crowd::call_all(CrowdTally& tally) {
  for (TunnelPeer& peer : peers_) peer.prepare_call(random_);
  tally.begun_at = monotonic_ns();
  for (std::uint32_t n = 0; n < peers_.size(); ++n) {
    peers_[n].send_call();
    ++tally.initiations;
    calls_.emplace(monotonic_ns() + kRetry + time_within(kJitter), n);
  }
}

void Crowd::call_due(CrowdTally& tally) {
  const std::int64_t now = monotonic_ns();
  for (int i = 0; i < kCallsInARow && !calls_.empty() && calls_.top().first <= now; ++i) {
    const std::uint32_t n = calls_.top().second;
    calls_.pop();
    if (connected_[n]) continue;
    peers_[n].call(random_);
    ++tally.initiations;
    calls_.emplace(now + kRetry + time_within(kJitter), n);
  }
}

void Crowd::take(std::uint32_t n, CrowdTally& tally, Aead& aead) {
  TunnelPeer& peer = peers_[n];
  std::array<std::uint8_t, 2048> room;
  for (;;) {
    const ssize_t len = ::recv(peer.fd(), room.data(), room.size(), MSG_DONTWAIT);
    if (len < 0) return;  // nothing left, or a refusal of a port that is not open yet
    const auto datagram = std::span(room).first(static_cast<std::size_t>(len));
    const std::optional<MessageType> type = classify_message(datagram);
    if (type == MessageType::kResponse) ++tally.responses;
    if (type == MessageType::kCookieReply) ++tally.cookie_replies;
    const bool was_calling = peer.calling();
    peer.receive_control(datagram);
    if (!was_calling || peer.calling() || connected_[n]) continue;
    connected_[n] = true;
    tally.connected_at.push_back(monotonic_ns());
    peer.send_keepalive(aead);  // confirms the session
  }
}

}  // namespace hawser::load
