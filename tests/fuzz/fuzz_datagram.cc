// Anything from the network: trains of arbitrary bytes, and transport data with arbitrary contents
// under the right key.
#include "noise/constants.h"
#include "tests/dataplane/pair.h"
#include "tests/fuzz/checks.h"
#include "tests/fuzz/input.h"

namespace hawser::testing {
namespace {

constexpr int kMaxSteps = 4;
// As in fuzz_inner_packet: a handshake for each run would be all that this does.
constexpr int kRunsPerPair = 4096;
constexpr Duration kTimeOfRun = 20ms;
static_assert(kRunsPerPair * kTimeOfRun < kRekeyAfterTime);
constexpr int kRunsPerTurn = 16;  // handshake messages wait for the handshake thread

struct SharedPair {
  void begin_run() {
    if (runs % kRunsPerPair == 0) {
      pair.start_over();
      pair.connect();
      counter = 10;
    } else if (runs % kRunsPerTurn == 0) {
      pair.b.run_handshakes();
    }
    ++runs;
    pair.sleep(kTimeOfRun);
    for (Node* node : {&pair.a, &pair.b}) {
      node->sent.clear();
      node->to_tun.clear();
      node->writes.clear();
      node->log.clear();
    }
  }

  Pair pair;
  int runs = 0;
  std::uint64_t counter = 10;  // of what a seals
};

void receive_raw(Pair& pair, FuzzInput& input) {
  const std::uint32_t segment_len = 1U + input.u16() % 2048U;
  pair.b.receive_buffer(input.bytes(input.u16()), segment_len, pair.at_a);
}

void receive_sealed(SharedPair& shared, FuzzInput& input) {
  Pair& pair = shared.pair;
  const std::uint8_t traffic_class = input.u8();
  const Packet plain = input.bytes(input.u16() % 2000);
  shared.counter += input.u8() % 4U;
  const Packet datagram = seal_as(pair.a, plain, shared.counter);
  if (!datagram.empty()) pair.b.receive({datagram, pair.at_a, traffic_class});
}

}  // namespace
}  // namespace hawser::testing

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hawser::testing;
  make_failures_fatal();
  FuzzInput input(data, size);
  static SharedPair& shared = *new SharedPair;
  shared.begin_run();
  for (int step = 0; step < kMaxSteps && !input.empty(); ++step) {
    if ((input.u8() & 1) == 0) {
      receive_raw(shared.pair, input);
    } else {
      receive_sealed(shared, input);
    }
    check_output(shared.pair.b);
  }
  return 0;
}
