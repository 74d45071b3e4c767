// A session's life: messages of a peer that were changed on the way, trains with alien segments,
// time that passes, handshakes. Each run makes new keys, so it is slow; what a datagram's bytes
// alone can do is fuzz_datagram's.
#include "base/wire.h"
#include "tests/dataplane/pair.h"
#include "tests/fuzz/checks.h"
#include "tests/fuzz/input.h"

namespace hawser::testing {
namespace {

enum Step : std::uint8_t { kSealed, kChanged, kTrain, kTimePasses, kHandshakes, kNumSteps };
constexpr int kMaxSteps = 24;

void receive_sealed(Pair& pair, FuzzInput& input, std::uint64_t& counter) {
  const std::uint8_t traffic_class = input.u8();
  const Packet plain = input.bytes(input.u16() % 2000);
  counter += input.u8() % 4U;
  const Packet datagram = seal_as(pair.a, plain, counter);
  if (!datagram.empty()) pair.b.receive({datagram, pair.at_a, traffic_class});
}

// What the peer says next, with some bytes changed.
void receive_changed(Pair& pair, FuzzInput& input) {
  pair.a.send(pair.from_a(input.u8()));
  pair.a.run_handshakes();
  for (Datagram& datagram : std::exchange(pair.a.sent, {})) {
    for (int changes = input.u8() % 4; changes > 0; --changes) {
      const std::size_t at = input.u16() % datagram.bytes.size();
      datagram.bytes[at] = input.u8();
    }
    pair.b.receive({datagram.bytes, pair.at_a, input.u8()});
  }
}

// A train of sealed packets with alien segments in it.
void receive_train(Pair& pair, FuzzInput& input, std::uint64_t& counter) {
  std::vector<Datagram> train;
  const Packet plain = input.bytes(16 * (1U + input.u8() % 16));
  for (int num = input.u8() % 70; num >= 0; --num) {
    Packet datagram = seal_as(pair.a, plain, ++counter);
    if (datagram.empty()) return;
    const std::uint8_t change = input.u8();
    if (change >= 0xf0) datagram[input.u16() % datagram.size()] ^= change;
    train.push_back({std::move(datagram), pair.at_a, 0});
  }
  for (std::size_t at = 0; at < train.size(); at += kMaxTrainSegments) {
    const auto first = train.begin() + static_cast<std::ptrdiff_t>(at);
    const std::size_t num = std::min(kMaxTrainSegments, train.size() - at);
    pair.b.receive_trains({std::vector(first, first + static_cast<std::ptrdiff_t>(num))});
  }
}

}  // namespace
}  // namespace hawser::testing

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hawser::testing;
  make_failures_fatal();
  FuzzInput input(data, size);
  static Pair& pair = *new Pair;
  pair.start_over();
  pair.connect();
  std::uint64_t counter = 10;
  for (int step = 0; step < kMaxSteps && !input.empty(); ++step) {
    switch (static_cast<Step>(input.u8() % kNumSteps)) {
      case kSealed:
        receive_sealed(pair, input, counter);
        break;
      case kChanged:
        receive_changed(pair, input);
        break;
      case kTrain:
        receive_train(pair, input, counter);
        break;
      case kTimePasses:
        pair.sleep(std::chrono::seconds(input.u16() % 600));
        break;
      case kHandshakes:
      case kNumSteps:
        pair.b.run_handshakes();
        break;
    }
    check_output(pair.b);
    Pair::carry(pair.b, pair.a, pair.at_b);
  }
  pair.b.run_handshakes();
  check_output(pair.b);
  return 0;
}
