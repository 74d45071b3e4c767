// Handshake messages that get past mac1 (and mac2), and cookie replies.
#include <cstring>

#include "base/wire.h"
#include "noise/cookie.h"
#include "tests/dataplane/pair.h"
#include "tests/fuzz/checks.h"
#include "tests/fuzz/input.h"

namespace hawser::testing {
namespace {

constexpr int kMaxSteps = 16;

// Lays fuzzed bytes over a message from `at` on.
void overlay(Packet& message, FuzzInput& input) {
  if (message.empty()) return;
  const std::size_t at = input.u8() % message.size();
  const Packet bytes = input.bytes(input.u8() % 64);
  for (std::size_t i = 0; i < bytes.size() && at + i < message.size(); ++i) {
    message[at + i] = bytes[i];
  }
}

class CookieFuzz {
 public:
  explicit CookieFuzz(Pair& pair) : pair_(pair), maker_(pair_.b.public_key()) {
    checker_.set_public_key(pair_.a.public_key());
  }

  void step(FuzzInput& input) {
    const std::uint8_t how = input.u8();
    switch (how % 6) {
      case 0:
        forge(MessageType::kInitiation, sizeof(InitiationMessage), how, input);
        break;
      case 1:
        forge(MessageType::kResponse, sizeof(ResponseMessage), how, input);
        break;
      case 2:
        peers_initiation(how, input);
        break;
      case 3:
        cookie_reply(input);
        break;
      case 4:
        overload();
        break;
      default:
        pair_.sleep(std::chrono::milliseconds(input.u16()));
        pair_.b.run_handshakes();
        break;
    }
    check_output(pair_.b);
    take_cookies();
  }

 private:
  void deliver(const Packet& message, bool right_macs, FuzzInput& input) {
    Packet copy = message;
    if (right_macs) maker_.add_macs(copy, pair_.now().boot);
    const bool elsewhere = (input.u8() & 1) != 0;
    pair_.b.receive({copy, elsewhere ? endpoint("2001:db8::9", 9) : pair_.at_a, 0});
    pair_.b.run_handshakes();
  }

  // Arbitrary but for the type, and the macs if so wished.
  void forge(MessageType type, std::size_t len, std::uint8_t how, FuzzInput& input) {
    Packet message = input.bytes(len);
    message.resize(len);
    store_le32(message.data(), static_cast<std::uint32_t>(type));
    deliver(message, (how & 8) != 0, input);
  }

  // A real one, changed after it was made; macs right again.
  void peers_initiation(std::uint8_t how, FuzzInput& input) {
    pair_.a.send(pair_.from_a(1));
    pair_.a.run_handshakes();
    for (Datagram& datagram : std::exchange(pair_.a.sent, {})) {
      if ((how & 16) != 0) overlay(datagram.bytes, input);
      deliver(datagram.bytes, (how & 8) != 0 && datagram.bytes.size() >= sizeof(ResponseMessage),
              input);
    }
  }

  // b initiates, and gets a cookie reply with changes in it.
  void cookie_reply(FuzzInput& input) {
    pair_.sleep(6s);
    pair_.b.send(pair_.from_b(1));
    pair_.b.run_handshakes();
    for (const Datagram& datagram : std::exchange(pair_.b.sent, {})) {
      if (classify_message(datagram.bytes) != MessageType::kInitiation) continue;
      CookieReplyMessage reply;
      CookieSource source;
      source.len = 6;
      checker_.create_reply(reply, datagram.bytes, source, pair_.now().boot, random_);
      Packet bytes(sizeof reply);
      std::memcpy(bytes.data(), &reply, sizeof reply);
      if ((input.u8() & 1) != 0) overlay(bytes, input);
      pair_.b.receive({bytes, pair_.at_a, 0});
      pair_.b.run_handshakes();
    }
  }

  void overload() {
    const Packet garbage(sizeof(ResponseMessage), 2);
    for (std::size_t i = 0; i < kUnderLoadQueueLen; ++i) {
      (void)DeviceInspector::state(pair_.b.device())
          .handshake_queue.push(MessageType::kResponse, garbage, endpoint("192.0.2.9", 9));
    }
    pair_.b.run_handshakes();
  }

  void take_cookies() {
    for (const Datagram& datagram : std::exchange(pair_.b.sent, {})) {
      if (classify_message(datagram.bytes) != MessageType::kCookieReply) continue;
      CookieReplyMessage reply;
      std::memcpy(&reply, datagram.bytes.data(), sizeof reply);
      (void)maker_.consume_reply(reply, pair_.now().boot);
    }
  }

  Pair& pair_;
  SeededRandom random_{1};
  CookieMaker maker_;
  CookieChecker checker_;
};

}  // namespace
}  // namespace hawser::testing

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hawser::testing;
  make_failures_fatal();
  FuzzInput input(data, size);
  static Pair& pair = *new Pair;
  pair.start_over();
  CookieFuzz fuzz(pair);
  for (int step = 0; step < kMaxSteps && !input.empty(); ++step) fuzz.step(input);
  return 0;
}
