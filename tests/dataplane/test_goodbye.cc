// A controller's goodbye: who is believed, and who is not.
#include <gtest/gtest.h>

#include "routing/checksum.h"
#include "routing/icmp_request.h"
#include "tests/dataplane/pair.h"

namespace hawser::testing {
namespace {

// b is a's controller, and a watches it.
struct Watched : Pair {
  Watched() {
    Overlay overlay;
    overlay.routes.push_back({prefix("fd00::/64"), {b.public_key()}});
    overlay.accepts.push_back({prefix("fd00::/64"), {b.public_key()}});
    overlay.controllers.push_back({b.public_key(), address("fd00::1"), address("fd00::2")});
    DeviceChange change;
    change.overlay = std::move(overlay);
    a.apply(std::move(change));
    connect();
  }
  bool reachable() { return b_at_a().reachable.load(); }
};

Packet goodbye(const char* from, const char* to) {
  Packet packet(kMaxIcmpRequestLen);
  packet.resize(write_goodbye(packet, address(from), address(to)));
  return packet;
}

TEST(Goodbye, OfTheControllerItselfTurnsUsAway) {
  Watched watched;
  ASSERT_TRUE(watched.reachable());
  watched.b.send(goodbye("fd00::2", "fd00::1"));
  watched.deliver();
  EXPECT_FALSE(watched.reachable());
  EXPECT_TRUE(watched.a.to_tun.empty()) << "it is for us, not for the host";
}

// A network's other peers may send whatever they like through the controller.
TEST(Goodbye, ThatTheControllerOnlyForwardsIsNoneOfIts) {
  Watched watched;
  Packet forwarded = goodbye("fd00::77", "fd00::1");
  decrement_hop_limit(forwarded);
  watched.b.send(forwarded);
  watched.deliver();
  EXPECT_TRUE(watched.reachable());
  EXPECT_EQ(watched.a.to_tun.size(), 1U) << "an ordinary packet";
}

TEST(Goodbye, OfAPeerThatIsNoControllerIsAnOrdinaryPacket) {
  Pair pair;
  pair.connect();
  pair.b.send(goodbye("fd00::2", "fd00::1"));
  pair.deliver();
  EXPECT_TRUE(pair.b_at_a().reachable.load());
  EXPECT_EQ(pair.a.to_tun.size(), 1U);
}

}  // namespace
}  // namespace hawser::testing
