#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/result.h"
#include "bench/load/peer_group.h"
#include "noise/messages.h"
#include "tun/unique_fd.h"

namespace hawser::load {

// What a controller answered.
struct ResponderTally {
  std::uint64_t sent = 0;
  std::uint64_t responses = 0;
  std::uint64_t cookie_replies = 0;
  std::int64_t elapsed_ns = 0;
};

// ResponderMeter finds how many initiations a second a controller answers. The initiations are made
// beforehand: a round sends one of every peer, at most `window` of them unanswered, from one
// socket. One thread's.
class ResponderMeter {
 public:
  static Result<ResponderMeter> open(const PeerPlan& plan, std::size_t num_peers,
                                     std::size_t num_rounds, const SidePlace& place);

  std::size_t num_rounds() const { return rounds_.size(); }
  ResponderTally run(std::size_t round, std::size_t window);

 private:
  explicit ResponderMeter(UniqueFd socket) : socket_(std::move(socket)) {}
  // False: nothing came for a while.
  bool await_answers(ResponderTally& tally);

  UniqueFd socket_;
  std::vector<std::vector<InitiationMessage>> rounds_;
};

}  // namespace hawser::load
