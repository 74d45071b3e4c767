// CONFORMANCE: rules beside those that the tests of their room show.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/wire.h"
#include "tests/dataplane/pair.h"

namespace hawser::testing {
namespace {

Endpoint endpoint_of(const Peer& peer) {
  Endpoint at;
  EXPECT_TRUE(peer.endpoint.get(at));
  return at;
}

TEST(UnderLoad, ItsEndIsSeenThoughNothingElseHappens) {
  Pair pair;
  for (std::size_t i = 0; i < kUnderLoadQueueLen; ++i) {
    Packet garbage(sizeof(InitiationMessage), 0xa5);
    store_le32(garbage.data(), static_cast<std::uint32_t>(MessageType::kInitiation));
    pair.b.receive({garbage, endpoint("203.0.113.9", 9), 0});
  }
  pair.b.run_handshakes();
  ASSERT_TRUE(pair.b.device().counters().under_load);
  ASSERT_TRUE(pair.b.next_deadline());
  pair.set_now(later(pair.now(), *pair.b.next_deadline() - pair.now().boot));
  pair.b.run_handshakes();
  EXPECT_FALSE(pair.b.device().counters().under_load);
}

TEST(HandshakeTimer, ARetryForgetsTheStickySource) {
  Pair pair;
  pair.at_b.local_address = address("192.0.2.1");
  pair.at_b.local_ifindex = 7;
  pair.connect();
  pair.run(20s);     // all is said
  pair.sleep(200s);  // and the session over
  pair.a.send(pair.from_a(2));
  (void)pair.run_cut_off(4s);
  EXPECT_EQ(endpoint_of(pair.b_at_a()).local_ifindex, 7U);
  (void)pair.run_cut_off(2s);
  EXPECT_TRUE(endpoint_of(pair.b_at_a()).local_address.is_unspecified());
  EXPECT_EQ(endpoint_of(pair.b_at_a()).local_ifindex, 0U);
}

TEST(Rekey, TheResponderDoesNotRekeyOnReceive) {
  Pair pair;
  pair.connect();
  pair.run(20s);
  pair.sleep(150s);
  pair.b.receive({seal_as(pair.a, pair.from_a(2), 77), pair.at_a, 0});
  EXPECT_EQ(pair.b.to_tun.size(), 1U);
  pair.b.run_handshakes();
  EXPECT_TRUE(pair.b.sent.empty());
}

TEST(Roaming, InitiationsAndResponsesMoveTheEndpoint) {
  Pair pair;
  const Endpoint new_a = endpoint("2001:db8::a", 11);
  const Endpoint new_b = endpoint("2001:db8::b", 12);
  pair.a.send(pair.from_a(1));
  pair.a.run_handshakes();
  Pair::carry(pair.a, pair.b, new_a);
  pair.b.run_handshakes();
  EXPECT_TRUE(endpoint_of(pair.a_at_b()).same_remote(new_a));
  ASSERT_EQ(pair.b.sent.size(), 1U);
  EXPECT_TRUE(pair.b.sent[0].remote.same_remote(new_a)) << "the response goes there";
  Pair::carry(pair.b, pair.a, new_b);
  pair.a.run_handshakes();
  EXPECT_TRUE(endpoint_of(pair.b_at_a()).same_remote(new_b));
}

TEST(Sources, AllAreForgottenWhenTheSocketsChange) {
  Pair pair;
  pair.at_b.local_address = address("192.0.2.1");
  pair.at_b.local_ifindex = 7;
  pair.connect();
  ASSERT_EQ(endpoint_of(pair.b_at_a()).local_ifindex, 7U);
  pair.a.device().forget_sources();
  EXPECT_EQ(endpoint_of(pair.b_at_a()), endpoint("192.0.2.2", 1002));
}

TEST(Clock, AnImplausibleJumpEmitsNothingAndIsSaidOnce) {
  Pair pair;
  Now set = pair.now();
  set.wall.seconds = 1'800'000'000;  // clocks of before 2024 were never set, and may jump
  pair.set_now(set);
  pair.connect();
  pair.run(20s);
  pair.sleep(200s);
  Now jumped = pair.now();
  jumped.wall.seconds += 2 * 366 * 86'400;
  pair.set_now(jumped);
  pair.a.send(pair.from_a(2));
  EXPECT_TRUE(pair.run_cut_off(30s).empty());
  const auto said = std::count_if(pair.a.log.begin(), pair.a.log.end(), [](const auto& line) {
    return line.find("wall clock is more than a year ahead") != std::string::npos;
  });
  EXPECT_EQ(said, 1);
  // Set right, it goes on with the next retry.
  Now right = pair.now();
  right.wall.seconds -= 2 * 366 * 86'400;
  pair.set_now(right);
  EXPECT_FALSE(pair.run_cut_off(6s).empty());
}

TEST(Clock, ARestartWithTheClockBackStillGetsIn) {
  MemoryTimestampStore store;
  Pair pair;
  Now now = kStart;
  for (const std::int64_t clock_back : {0, 300}) {  // seconds
    now = later(now, 1s);
    now.wall.seconds -= clock_back;
    Node restarted({}, make_private_key(1), 21, {}, &store);
    restarted.set_now(now);
    DeviceChange change;
    change.peers.push_back(
        peer_change(pair.b.public_key(), {prefix("10.0.0.2/32")}, endpoint("192.0.2.2", 1002)));
    restarted.apply(std::move(change));
    restarted.send(pair.from_a(1));
    restarted.run_handshakes();
    ASSERT_EQ(restarted.sent.size(), 1U);
    pair.sleep(1s);
    pair.b.sent.clear();
    pair.b.receive({restarted.sent[0].bytes, pair.at_a, 0});
    pair.b.run_handshakes();
    EXPECT_EQ(pair.b.sent.size(), 1U) << "no response, clock back by " << clock_back << " s";
  }
}

}  // namespace
}  // namespace hawser::testing
