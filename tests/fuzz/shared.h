#pragma once
// Testbeds that runs share.
#include <cstdint>
#include <utility>

#include "noise/constants.h"
#include "tests/dataplane/hub.h"
#include "tests/dataplane/pair.h"

namespace hawser::testing {

inline void begin_anew(Pair& pair) {
  pair.start_over();
  pair.connect();
}
inline void begin_anew(Hub& hub) { hub.start_over(); }

// Shared is a Pair or a Hub with sessions for one run after another: its handshakes cost a hundred
// times what a packet does. It begins anew before its sessions want to be renewed. A finding that
// needs earlier runs replays from the same seed, which libFuzzer prints.
template <class Testbed>
class Shared {
 public:
  // What waits for the handshake thread is seen to once in `runs_per_turn` runs.
  template <class... Arguments>
  explicit Shared(int runs_per_turn, Arguments&&... arguments)
      : bed(std::forward<Arguments>(arguments)...), runs_per_turn_(runs_per_turn) {}

  void begin_run() {
    if (runs_ % kRunsPerBed == 0) {
      begin_anew(bed);
      counter = kFirstCounter;
    } else if (runs_ % runs_per_turn_ == 0) {
      for (Node* node : bed.nodes()) node->run_handshakes();
    }
    ++runs_;
    bed.sleep(kTimeOfRun);
    for (Node* node : bed.nodes()) forget(*node);
  }

  Testbed bed;
  std::uint64_t counter = kFirstCounter;  // of what peer a seals

 private:
  static constexpr std::uint64_t kFirstCounter = 10;  // after the testbed's own packets
  static constexpr int kRunsPerBed = 4096;
  static constexpr Duration kTimeOfRun = 20ms;  // fills the budget for ICMP errors again
  static_assert(kRunsPerBed * kTimeOfRun < kRekeyAfterTime);

  // What a run leaves; nobody answers.
  static void forget(Node& node) {
    node.sent.clear();
    node.to_tun.clear();
    node.writes.clear();
    node.log.clear();
  }

  int runs_per_turn_;
  int runs_ = 0;
};

}  // namespace hawser::testing
