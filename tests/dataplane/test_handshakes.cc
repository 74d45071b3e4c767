// CONFORMANCE, "Handshake" and "Under load", as far as the device has a part in it.
#include <gtest/gtest.h>

#include "base/wire.h"
#include "noise/cookie.h"
#include "tests/dataplane/pair.h"

namespace hawser::testing {
namespace {

PrivateKey stranger_key() { return make_private_key(77); }

// Initiations with a valid mac1, as any peer that b knows of could make them.
Packet initiation_for(Node& to, const Identity& from, RandomSource& random, std::uint32_t index,
                      std::int64_t at_seconds, CookieMaker& maker, const Now& now) {
  Handshake handshake(to.public_key());
  InitiationMessage message;
  EXPECT_EQ(handshake.create_initiation(message, from, index, to_tai64n({at_seconds, 0}), random),
            HandshakeVerdict::kOk);
  Packet bytes(sizeof message);
  std::memcpy(bytes.data(), &message, sizeof message);
  maker.add_macs(bytes, now.boot);
  return bytes;
}

// Fills b's queue with initiations that have no valid mac1, beyond the mark of an eighth.
void overload(Pair& pair, std::size_t num) {
  SeededRandom random(5);
  for (std::size_t i = 0; i < num; ++i) {
    Packet garbage(sizeof(InitiationMessage));
    random.fill(garbage);
    store_le32(garbage.data(), static_cast<std::uint32_t>(MessageType::kInitiation));
    pair.b.receive({garbage, endpoint("203.0.113.9", 9), 0});
  }
}

TEST(HandshakeFlow, AReplayedInitiationGetsNoSecondResponse) {
  Pair pair;
  pair.a.send(pair.from_a(1));
  pair.a.run_handshakes();
  const Datagram initiation = pair.a.sent.at(0);
  pair.b.receive({initiation.bytes, pair.at_a, 0});
  pair.b.receive({initiation.bytes, pair.at_a, 0});
  pair.b.run_handshakes();
  EXPECT_EQ(pair.b.sent.size(), 1U);
  pair.sleep(1s);
  pair.b.receive({initiation.bytes, endpoint("203.0.113.9", 9), 0});
  pair.b.run_handshakes();
  EXPECT_EQ(pair.b.sent.size(), 1U);
  EXPECT_EQ(total_drops(pair.b.device(), DropReason::kHandshakeRefused), 2U);
  Endpoint at;
  ASSERT_TRUE(pair.a_at_b().endpoint.get(at));
  EXPECT_TRUE(at.same_remote(pair.at_a));
}

TEST(HandshakeFlow, TwoInitiationsWithin20MillisecondsGetOneResponse) {
  Pair pair;
  const Identity a(make_private_key(1));
  SeededRandom random(3);
  CookieMaker maker(pair.b.public_key());
  pair.b.receive({initiation_for(pair.b, a, random, 1, 1000, maker, pair.now()), pair.at_a, 0});
  pair.b.run_handshakes();
  pair.sleep(19ms);
  pair.b.receive({initiation_for(pair.b, a, random, 2, 2000, maker, pair.now()), pair.at_a, 0});
  pair.b.run_handshakes();
  EXPECT_EQ(pair.b.sent.size(), 1U);
  pair.sleep(1ms);
  pair.b.receive({initiation_for(pair.b, a, random, 3, 3000, maker, pair.now()), pair.at_a, 0});
  pair.b.run_handshakes();
  EXPECT_EQ(pair.b.sent.size(), 2U);
}

TEST(HandshakeFlow, StrangersAndBrokenMacsGetNoAnswer) {
  Pair pair;
  const Identity stranger(stranger_key());
  SeededRandom random(3);
  CookieMaker maker(pair.b.public_key());
  Packet bytes = initiation_for(pair.b, stranger, random, 1, 1000, maker, pair.now());
  pair.b.receive({bytes, pair.at_a, 0});
  pair.b.run_handshakes();
  EXPECT_TRUE(pair.b.sent.empty());
  EXPECT_EQ(total_drops(pair.b.device(), DropReason::kHandshakeRefused), 1U);
  bytes[20] ^= 1;  // now mac1 is wrong
  pair.b.receive({bytes, pair.at_a, 0});
  pair.b.run_handshakes();
  EXPECT_TRUE(pair.b.sent.empty());
  EXPECT_EQ(total_drops(pair.b.device(), DropReason::kInvalidMac), 1U);
}

TEST(HandshakeFlow, AForgedResponseDoesNotEndTheHandshake) {
  Pair pair;
  pair.a.send(pair.from_a(1));
  pair.a.run_handshakes();
  Pair::carry(pair.a, pair.b, pair.at_a);
  pair.b.run_handshakes();
  ASSERT_EQ(pair.b.sent.size(), 1U);
  Packet forged = pair.b.sent[0].bytes;
  forged[50] ^= 1;  // encrypted_nothing; mac1 is made again below
  CookieMaker maker(pair.a.public_key());
  maker.add_macs(forged, pair.now().boot);
  pair.a.receive({forged, endpoint("203.0.113.9", 9), 0});
  pair.a.run_handshakes();
  EXPECT_EQ(total_drops(pair.a.device(), DropReason::kHandshakeRefused), 1U);
  pair.deliver();
  EXPECT_EQ(pair.b.to_tun.size(), 1U);
}

TEST(HandshakeFlow, TheResponderSendsOnlyAfterTheFirstTransportPacket) {
  Pair pair;
  pair.a.send(pair.from_a(1));
  pair.a.run_handshakes();
  Pair::carry(pair.a, pair.b, pair.at_a);
  pair.b.run_handshakes();
  EXPECT_EQ(pair.a_at_b().sessions.current(), nullptr);
  EXPECT_NE(pair.a_at_b().sessions.next(), nullptr);
  Pair::carry(pair.b, pair.a, pair.at_b);  // the response
  pair.b.send(pair.from_b(2));
  pair.b.run_handshakes();
  EXPECT_TRUE(pair.b.sent.empty());
  EXPECT_EQ(pair.a_at_b().staged.size(), 1U);
  pair.a.run_handshakes();
  Pair::carry(pair.a, pair.b, pair.at_a);  // the confirmation: staged data flows at once
  ASSERT_EQ(pair.b.sent.size(), 1U);
  EXPECT_NE(pair.a_at_b().sessions.current(), nullptr);
  EXPECT_EQ(pair.b.to_tun.size(), 1U);
}

TEST(HandshakeFlow, TheInitiatorConfirmsWithAKeepaliveWhenItHasNoData) {
  Pair pair;
  DeviceChange change;
  change.peers.push_back(peer_change(pair.b.public_key(), {}));
  change.peers.back().persistent_keepalive = 25;
  pair.a.apply(std::move(change));
  pair.deliver();
  EXPECT_NE(pair.a_at_b().sessions.current(), nullptr);
  EXPECT_EQ(pair.b_at_a().sessions.current()->send_counter(), 1U);
}

TEST(HandshakeFlow, PreviousCurrentAndNextAllReceive) {
  Pair pair;
  pair.connect();
  pair.b.send(pair.from_b(1));
  const Datagram on_previous = pair.b.sent.at(0);
  pair.b.sent.clear();
  pair.run(121s);
  pair.a.send(pair.from_a(2));  // rekeys
  pair.deliver();
  EXPECT_NE(pair.b_at_a().sessions.previous(), nullptr);
  pair.a.receive({on_previous.bytes, pair.at_b, 0});
  ASSERT_EQ(pair.a.to_tun.size(), 1U);
  EXPECT_EQ(pair.a.to_tun[0], pair.from_b(1));
}

TEST(HandshakeFlow, SimultaneousInitiationsComeTogether) {
  for (int seed = 0; seed < 20; ++seed) {
    Pair pair;
    pair.sleep(std::chrono::milliseconds(seed));
    pair.a.send(pair.from_a(1));
    pair.b.send(pair.from_b(1));
    pair.a.run_handshakes();
    pair.b.run_handshakes();
    Pair::carry(pair.a, pair.b, pair.at_a);
    Pair::carry(pair.b, pair.a, pair.at_b);
    pair.run(12s);
    EXPECT_EQ(pair.a.to_tun.size(), 1U);
    EXPECT_EQ(pair.b.to_tun.size(), 1U);
  }
}

TEST(HandshakeFlow, HandshakeMessagesCarryTheirDscp) {
  Pair pair;
  pair.a.send(pair.from_a(1));
  for (const Pair::Sent& sent : pair.run_watched(20ms)) {
    EXPECT_EQ(sent.datagram.traffic_class, sent.type() == MessageType::kTransportData ? 0 : 0x88);
  }
}

// An endpoint's other address family: the 5 s between two initiations are for one address.
TEST(HandshakeFlow, AnotherEndpointOnTrialIsAskedAtOnce) {
  Pair pair;
  pair.a.send(pair.from_a(1));
  pair.a.run_handshakes();
  ASSERT_EQ(pair.a.sent.size(), 1U);  // and nobody is there
  pair.a.sent.clear();
  pair.sleep(2s);
  const auto give = [&](const char* address, bool on_trial) {
    DeviceChange change;
    PeerChange& peer = change.peers.emplace_back();
    peer.public_key = pair.b.public_key();
    peer.endpoint = endpoint(address, 1002);
    peer.tries_other_endpoint = on_trial;
    pair.a.apply(std::move(change));
    pair.a.run_handshakes();
  };
  give("192.0.2.3", false);
  EXPECT_TRUE(pair.a.sent.empty());
  give("192.0.2.2", true);
  ASSERT_EQ(pair.a.sent.size(), 1U);
  EXPECT_TRUE(pair.a.sent[0].remote.same_remote(pair.at_b));
  pair.deliver();
  EXPECT_EQ(pair.b.to_tun.size(), 1U);
  // With a session there is nothing to begin anew.
  give("192.0.2.2", true);
  EXPECT_TRUE(pair.a.sent.empty());
}

TEST(UnderLoad, AnEighthOfTheQueueTurnsItOnAndASecondLaterItIsOver) {
  Pair pair;
  overload(pair, kUnderLoadQueueLen - 1);
  pair.b.run_handshakes();
  EXPECT_FALSE(pair.b.device().counters().under_load);
  overload(pair, kUnderLoadQueueLen);
  pair.b.run_handshakes();
  EXPECT_TRUE(pair.b.device().counters().under_load);
  pair.sleep(999ms);
  pair.b.run_handshakes();
  EXPECT_TRUE(pair.b.device().counters().under_load);
  pair.sleep(1ms);
  pair.b.run_handshakes();
  EXPECT_FALSE(pair.b.device().counters().under_load);
  EXPECT_TRUE(pair.b.sent.empty()) << "no valid mac1, no reply";
  EXPECT_EQ(total_drops(pair.b.device(), DropReason::kInvalidMac), 2 * kUnderLoadQueueLen - 1);
}

TEST(UnderLoad, AnInnocentPeerGetsInWithItsCookie) {
  Pair pair;
  overload(pair, 1000);
  pair.b.run_handshakes();
  pair.a.send(pair.from_a(1));
  pair.deliver();  // initiation, cookie reply
  EXPECT_EQ(pair.b.device().counters().cookie_replies_sent, 1U);
  EXPECT_EQ(total_drops(pair.b.device(), DropReason::kRateLimited), 1U);
  EXPECT_TRUE(pair.b.to_tun.empty());
  Endpoint at;
  ASSERT_TRUE(pair.b_at_a().endpoint.get(at));
  EXPECT_TRUE(at.same_remote(pair.at_b));
  // Its retry comes while b is still (again) under load, and carries mac2.
  pair.run(4900ms);
  overload(pair, 1000);
  pair.b.run_handshakes();
  pair.run(800ms);
  EXPECT_TRUE(pair.b.device().counters().under_load || pair.b.to_tun.size() == 1);
  EXPECT_EQ(pair.b.to_tun.size(), 1U);
  EXPECT_EQ(pair.b.device().counters().cookie_replies_sent, 1U);
}

TEST(UnderLoad, CookieRepliesToOneSourceLeaveAsTrains) {
  Pair pair;
  const Identity a(make_private_key(1));
  SeededRandom random(3);
  CookieMaker maker(pair.b.public_key());
  overload(pair, kUnderLoadQueueLen);
  pair.b.run_handshakes();
  std::size_t num_sends = 0;
  pair.b.send_result = [&](const UdpSend&) {
    ++num_sends;
    return UdpOutcome{};
  };
  const auto arrive = [&](const Endpoint& from) {
    pair.b.receive({initiation_for(pair.b, a, random, 7, 1000, maker, pair.now()), from, 0});
  };
  for (std::size_t i = 0; i < kMaxTrainSegments + 1; ++i) arrive(pair.at_a);
  arrive(endpoint("203.0.113.9", 9));
  arrive(pair.at_a);
  pair.b.run_handshakes();
  EXPECT_EQ(num_sends, 4U) << "a full train, the one beyond it, the other source, the first again";
  ASSERT_EQ(pair.b.sent.size(), kMaxTrainSegments + 3);
  EXPECT_EQ(pair.b.device().counters().cookie_replies_sent, kMaxTrainSegments + 3);
  for (const Datagram& reply : pair.b.sent) {
    EXPECT_EQ(classify_message(reply.bytes), MessageType::kCookieReply);
  }
  // Each answers its own initiation: the last one opens with the last mac1.
  CookieReplyMessage last;
  std::memcpy(&last, pair.b.sent.back().bytes.data(), sizeof last);
  EXPECT_TRUE(maker.consume_reply(last, pair.now().boot));
}

TEST(UnderLoad, ACookieReplyDoesNotMoveTheEndpoint) {
  Pair pair;
  overload(pair, 1000);
  pair.b.run_handshakes();
  pair.a.send(pair.from_a(1));
  pair.a.run_handshakes();
  Pair::carry(pair.a, pair.b, pair.at_a);
  pair.b.run_handshakes();
  ASSERT_EQ(pair.b.sent.size(), 1U);
  ASSERT_EQ(classify_message(pair.b.sent[0].bytes), MessageType::kCookieReply);
  pair.a.receive({pair.b.sent[0].bytes, endpoint("203.0.113.9", 9), 0});
  pair.a.run_handshakes();
  Endpoint at;
  ASSERT_TRUE(pair.b_at_a().endpoint.get(at));
  EXPECT_TRUE(at.same_remote(pair.at_b));
  EXPECT_TRUE(pair.a.sent.empty()) << "a cookie reply is not answered";
}

TEST(UnderLoad, ValidMac2IsRateLimitedPerSource) {
  Pair pair;
  const Identity a(make_private_key(1));
  SeededRandom random(3);
  CookieMaker maker(pair.b.public_key());
  overload(pair, 1000);
  pair.b.run_handshakes();
  // The first gets a cookie.
  pair.b.receive({initiation_for(pair.b, a, random, 1, 1000, maker, pair.now()), pair.at_a, 0});
  pair.b.run_handshakes();
  ASSERT_EQ(pair.b.sent.size(), 1U);
  CookieReplyMessage reply;
  std::memcpy(&reply, pair.b.sent[0].bytes.data(), sizeof reply);
  ASSERT_TRUE(maker.consume_reply(reply, pair.now().boot));
  pair.b.sent.clear();
  // 40 at 5 ms: a burst of 5, then 20/s; each accepted one at least 20 ms after the last.
  for (std::uint32_t i = 0; i < 40; ++i) {
    pair.sleep(5ms);
    pair.b.receive(
        {initiation_for(pair.b, a, random, 2 + i, 2000 + i, maker, pair.now()), pair.at_a, 0});
    pair.b.run_handshakes();
  }
  EXPECT_LE(pair.b.sent.size(), 9U);
  EXPECT_GE(pair.b.sent.size(), 2U);
  const auto limited = total_drops(pair.b.device(), DropReason::kRateLimited);
  EXPECT_GE(limited, 30U);
  EXPECT_EQ(pair.b.device().counters().cookie_replies_sent, 1U) << "who has a cookie gets no other";
}

TEST(UnderLoad, AFullQueueDropsAndCounts) {
  Pair pair;
  overload(pair, kHandshakeQueueLen + 10);
  EXPECT_EQ(total_drops(pair.b.device(), DropReason::kHandshakeQueueFull), 10U);
  pair.b.run_handshakes();
  EXPECT_EQ(total_drops(pair.b.device(), DropReason::kInvalidMac), kHandshakeQueueLen);
}

TEST(UnderLoad, TransportDataGoesOn) {
  Pair pair;
  pair.connect();
  overload(pair, kHandshakeQueueLen + 10);
  pair.a.send(pair.from_a(5));
  Pair::carry(pair.a, pair.b, pair.at_a);
  EXPECT_EQ(pair.b.to_tun.size(), 1U);
}

TEST(Keys, AChangedPresharedKeyAppliesToTheNextHandshake) {
  Pair pair;
  pair.connect();
  DeviceChange change;
  change.peers.push_back(peer_change(pair.b.public_key(), {}));
  change.peers.back().preshared_key.emplace();
  change.peers.back().preshared_key->mutable_bytes()[0] = 1;
  pair.a.apply(std::move(change));
  pair.a.send(pair.from_a(2));
  pair.deliver();
  EXPECT_EQ(pair.b.to_tun.size(), 1U) << "the live session stays";
  pair.run(125s);
  pair.a.send(pair.from_a(3));  // on the old session; the new handshake fails
  pair.deliver();
  pair.run(60s);
  pair.a.send(pair.from_a(4));
  pair.deliver();
  EXPECT_EQ(pair.b.to_tun.size(), 2U);
  EXPECT_EQ(pair.a.device().counters().handshakes_completed, 1U);
  DeviceChange same;
  same.peers.push_back(peer_change(pair.a.public_key(), {}));
  same.peers.back().preshared_key.emplace();
  same.peers.back().preshared_key->mutable_bytes()[0] = 1;
  pair.b.apply(std::move(same));
  pair.run(10s);
  EXPECT_EQ(pair.b.to_tun.size(), 3U);
}

TEST(Keys, AChangedPrivateKeyStopsSendingOnPresentKeypairs) {
  Pair pair;
  pair.connect();
  DeviceChange change;
  change.private_key = make_private_key(9);
  pair.a.apply(std::move(change));
  pair.a.send(pair.from_a(2));
  pair.a.run_handshakes();
  for (const Datagram& datagram : pair.a.sent) {
    EXPECT_NE(classify_message(datagram.bytes), MessageType::kTransportData);
  }
  // It still receives.
  pair.b.send(pair.from_b(3));
  Pair::carry(pair.b, pair.a, pair.at_b);
  EXPECT_EQ(pair.a.to_tun.size(), 1U);
}

TEST(Keys, TheSamePrivateKeyChangesNothing) {
  Pair pair;
  pair.connect();
  DeviceChange change;
  change.private_key = make_private_key(1);
  pair.a.apply(std::move(change));
  pair.a.send(pair.from_a(2));
  ASSERT_EQ(pair.a.sent.size(), 1U);
  EXPECT_EQ(classify_message(pair.a.sent[0].bytes), MessageType::kTransportData);
}

TEST(Keys, WithoutAPrivateKeyNothingIsInitiatedOrAnswered) {
  Pair pair;
  DeviceChange change;
  change.private_key.emplace();
  pair.b.apply(std::move(change));
  pair.a.send(pair.from_a(1));
  pair.b.send(pair.from_b(1));
  pair.a.run_handshakes();
  Pair::carry(pair.a, pair.b, pair.at_a);
  pair.b.run_handshakes();
  EXPECT_TRUE(pair.b.sent.empty());
  EXPECT_EQ(total_drops(pair.b.device(), DropReason::kNoPrivateKey), 1U);
}

TEST(Keys, APeerThatBecomesOurselvesIsDropped) {
  Pair pair;
  DeviceChange change;
  change.private_key = make_private_key(2);  // b's key, and b is a's peer
  pair.a.apply(std::move(change));
  EXPECT_TRUE(pair.a.view().peers.empty());
  EXPECT_EQ(DeviceInspector::state(pair.a.device()).allowed_ips.size(), 0U);
}

TEST(Keys, OurOwnPublicKeyAsAPeerIsIgnored) {
  Pair pair;
  DeviceChange change;
  change.peers.push_back(peer_change(pair.a.public_key(), {prefix("10.7.0.0/16")}));
  pair.a.apply(std::move(change));
  EXPECT_EQ(pair.a.view().peers.size(), 1U);
}

TEST(Roaming, AnyAuthenticatedPacketMovesTheEndpointAndNothingElseDoes) {
  Pair pair;
  pair.connect();
  const Endpoint elsewhere = endpoint("2001:db8::77", 777);
  pair.a.send(pair.from_a(2));
  const Packet authentic = pair.a.sent.at(0).bytes;
  pair.a.sent.clear();
  Packet forged = authentic;
  forged.back() ^= 1;
  Endpoint at;
  pair.b.receive({forged, elsewhere, 0});
  ASSERT_TRUE(pair.a_at_b().endpoint.get(at));
  EXPECT_TRUE(at.same_remote(pair.at_a));
  pair.b.receive({authentic, elsewhere, 0});
  ASSERT_TRUE(pair.a_at_b().endpoint.get(at));
  EXPECT_TRUE(at.same_remote(elsewhere));
  pair.b.receive({authentic, endpoint("203.0.113.9", 9), 0});  // a replay
  ASSERT_TRUE(pair.a_at_b().endpoint.get(at));
  EXPECT_TRUE(at.same_remote(elsewhere));
}

TEST(Roaming, HappensBeforeTheInnerSourceIsChecked) {
  Pair pair;
  pair.connect();
  const Endpoint elsewhere = endpoint("2001:db8::77", 777);
  pair.a.send(make_packet({.source = address("10.9.9.9"),
                           .destination = address("10.0.0.2"),
                           .id = 1,
                           .payload_len = 20}));
  pair.b.receive({pair.a.sent.at(0).bytes, elsewhere, 0});
  Endpoint at;
  ASSERT_TRUE(pair.a_at_b().endpoint.get(at));
  EXPECT_TRUE(at.same_remote(elsewhere));
  EXPECT_TRUE(pair.b.to_tun.empty());
  EXPECT_EQ(total_drops(pair.b.device(), DropReason::kSourceNotAllowed), 1U);
}

}  // namespace
}  // namespace hawser::testing
