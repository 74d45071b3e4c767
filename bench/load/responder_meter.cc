#include "bench/load/responder_meter.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <array>

#include "bench/load/clock.h"
#include "bench/load/crowd_plan.h"
#include "bench/load/udp_socket.h"
#include "noise/cookie.h"
#include "noise/handshake.h"
#include "noise/tai64n.h"

namespace hawser::load {
namespace {

// Without an answer for this long, what is unanswered is given up as lost.
constexpr std::int64_t kHandshakeStall = kNanosPerSecond / 5;
// Between two looks at the socket. Who waits in poll(2) is woken for every answer, and over a veth
// link that is the answering thread's work.
constexpr timespec kPause = {0, 50'000};

}  // namespace

Result<ResponderMeter> ResponderMeter::open(const PeerPlan& plan, std::size_t num_peers,
                                            std::size_t num_rounds, const SidePlace& place) {
  Result<std::vector<UniqueFd>> sockets =
      open_udp_sockets_in(place.network_namespace, 1, place.controller);
  if (!sockets) return sockets.error();
  // Each answer by itself.
  constexpr int kOff = 0;
  ::setsockopt(sockets->front().get(), IPPROTO_UDP, UDP_GRO, &kOff, sizeof kOff);
  ResponderMeter meter(std::move(sockets->front()));
  meter.rounds_.assign(num_rounds, std::vector<InitiationMessage>(num_peers));
  const PublicKey controller = plan.controller_key().derive_public();
  KernelRandom random;
  for (std::size_t n = 0; n < num_peers; ++n) {
    const Identity identity = CrowdPlan::peer(plan, n);
    Handshake handshake(controller);
    CookieMaker macs(controller);
    WallTime at = wall_now();
    for (auto& round : meter.rounds_) {
      ++at.seconds;  // each newer than the one before
      if (handshake.create_initiation(round[n], identity, random.u32() | 1, to_tai64n(at),
                                      random) != HandshakeVerdict::kOk) {
        return Error{"an initiation cannot be made", 0};
      }
      macs.add_macs({reinterpret_cast<std::uint8_t*>(&round[n]), sizeof round[n]}, protocol_now());
    }
  }
  return meter;
}

ResponderTally ResponderMeter::run(std::size_t round, std::size_t window) {
  ResponderTally tally;
  std::uint64_t given_up = 0;
  const auto unanswered = [&] {
    return tally.sent - tally.responses - tally.cookie_replies - given_up;
  };
  const std::int64_t start = monotonic_ns();
  for (const InitiationMessage& message : rounds_[round]) {
    while (unanswered() >= window) {
      if (!await_answers(tally)) given_up += unanswered();
    }
    ::send(socket_.get(), &message, sizeof message, 0);
    ++tally.sent;
  }
  while (unanswered() > 0 && await_answers(tally)) {
  }
  tally.elapsed_ns = monotonic_ns() - start;
  return tally;
}

bool ResponderMeter::await_answers(ResponderTally& tally) {
  const std::int64_t deadline = monotonic_ns() + kHandshakeStall;
  for (bool any = false;;) {
    std::array<std::uint8_t, 2048> room;
    const ssize_t len = ::recv(socket_.get(), room.data(), room.size(), MSG_DONTWAIT);
    if (len == sizeof(ResponseMessage)) ++tally.responses;
    if (len == sizeof(CookieReplyMessage)) ++tally.cookie_replies;
    any = any || len >= 0;
    if (len >= 0) continue;
    if (any) return true;
    if (monotonic_ns() > deadline) return false;
    ::nanosleep(&kPause, nullptr);
  }
}

}  // namespace hawser::load
