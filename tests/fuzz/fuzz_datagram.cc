// Anything from the network: trains of arbitrary bytes, and transport data with arbitrary contents
// under the right key.
#include "tests/dataplane/pair.h"
#include "tests/fuzz/checks.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/shared.h"

namespace hawser::testing {
namespace {

constexpr int kMaxSteps = 4;
constexpr int kRunsPerTurn = 16;  // handshake messages wait for the handshake thread

void receive_raw(Pair& pair, FuzzInput& input) {
  const std::uint32_t segment_len = 1U + input.u16() % 2048U;
  pair.b.receive_buffer(input.bytes(input.u16()), segment_len, pair.at_a);
}

void receive_sealed(Shared<Pair>& shared, FuzzInput& input) {
  Pair& pair = shared.bed;
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
  static Shared<Pair>& shared = *new Shared<Pair>(kRunsPerTurn);
  shared.begin_run();
  for (int step = 0; step < kMaxSteps && !input.empty(); ++step) {
    if ((input.u8() & 1) == 0) {
      receive_raw(shared.bed, input);
    } else {
      receive_sealed(shared, input);
    }
    check_output(shared.bed.b);
  }
  return 0;
}
