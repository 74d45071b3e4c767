// Handshakes where datagrams take long.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/dataplane/pair.h"

namespace hawser::testing {
namespace {

// A pair whose datagrams take `one_way` to arrive.
class SlowPair : public Pair {
 public:
  explicit SlowPair(Duration one_way) : one_way_(one_way) {}

  void run_slowly(Duration by) {
    constexpr Duration kTick = 5ms;
    for (Duration done{}; done < by; done += kTick) {
      sleep(kTick);
      arrive();
      for (Node* node : {&a, &b}) {
        node->run_handshakes();
        for (Datagram& datagram : std::exchange(node->sent, {})) {
          on_the_way_.push_back({now().boot + one_way_, node == &a, std::move(datagram)});
        }
      }
    }
  }

 private:
  struct OnTheWay {
    Instant at;
    bool to_b;
    Datagram datagram;
  };

  void arrive() {
    const auto first_later =
        std::stable_partition(on_the_way_.begin(), on_the_way_.end(),
                              [&](const OnTheWay& each) { return each.at <= now().boot; });
    const std::vector<OnTheWay> arrived(on_the_way_.begin(), first_later);
    on_the_way_.erase(on_the_way_.begin(), first_later);
    for (const OnTheWay& each : arrived) {
      Node& to = each.to_b ? b : a;
      to.receive({each.datagram.bytes, each.to_b ? at_a : at_b, each.datagram.traffic_class});
    }
  }

  Duration one_way_;
  std::vector<OnTheWay> on_the_way_;
};

// Both begin while the other's initiation is on the way: each gives up its own for the other's, and
// neither session is ever confirmed. That must not go on in step.
TEST(SlowPath, InitiationsThatCrossDoNotCrossForever) {
  for (const Duration apart : {0ms, 60ms, 120ms, 180ms, 240ms}) {
    SlowPair pair(400ms);
    pair.a.send(pair.from_a(1));
    pair.run_slowly(apart);
    pair.b.send(pair.from_b(1));
    pair.run_slowly(12s);
    EXPECT_EQ(pair.a.to_tun.size(), 1U) << "apart by " << apart.count() << " ns";
    EXPECT_EQ(pair.b.to_tun.size(), 1U) << "apart by " << apart.count() << " ns";
  }
}

}  // namespace
}  // namespace hawser::testing
