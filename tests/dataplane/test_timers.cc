// CONFORMANCE, "Timers": one test a rule, on virtual time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/dataplane/pair.h"

namespace hawser::testing {
namespace {

std::vector<Pair::Sent> only(const std::vector<Pair::Sent>& all, MessageType type, int from) {
  std::vector<Pair::Sent> some;
  std::copy_if(all.begin(), all.end(), std::back_inserter(some),
               [&](const Pair::Sent& s) { return s.type() == type && s.from == from; });
  return some;
}

bool is_keepalive(const Pair::Sent& sent) {
  return sent.type() == MessageType::kTransportData &&
         sent.datagram.bytes.size() == kTransportOverhead;
}

TEST(HandshakeTimer, RetriesEveryFiveSecondsWithJitterAndGivesUpAfterEighteenAttempts) {
  Pair pair;
  pair.a.send({pair.from_a(1), pair.from_a(2), pair.from_a(3)});
  pair.a.run_handshakes();
  ASSERT_EQ(pair.a.sent.size(), 1U);
  pair.a.sent.clear();
  const auto sent = pair.run_cut_off(200s);
  ASSERT_EQ(sent.size(), 17U);
  Duration last{};
  Duration least = 10s;
  Duration most{};
  for (const Pair::Sent& one : sent) {
    EXPECT_EQ(one.type(), MessageType::kInitiation);
    const Duration gap = one.at - last;
    EXPECT_GE(gap, 5s);
    EXPECT_LE(gap, 5s + 333ms + 10ms);
    least = std::min(least, gap);
    most = std::max(most, gap);
    last = one.at;
  }
  EXPECT_GT(most - least, 50ms) << "no jitter";
  EXPECT_EQ(pair.b_at_a().staged.size(), 0U);
  EXPECT_EQ(total_drops(pair.a.device(), DropReason::kStagedExpired), 3U);
  EXPECT_EQ(total_drops(pair.a.device()), 3U);
}

TEST(HandshakeTimer, NewDataStartsOverAfterGivingUp) {
  Pair pair;
  pair.a.send(pair.from_a(1));
  (void)pair.run_cut_off(200s);
  pair.a.send(pair.from_a(2));
  pair.a.run_handshakes();
  ASSERT_EQ(pair.a.sent.size(), 1U);
  pair.deliver();
  ASSERT_EQ(pair.b.to_tun.size(), 1U);
  EXPECT_EQ(pair.b.to_tun[0], pair.from_a(2));
}

TEST(HandshakeTimer, MoreDataDoesNotHurryTheNextInitiation) {
  Pair pair;
  std::size_t initiations = 0;
  for (int i = 0; i < 100; ++i) {
    pair.a.send(pair.from_a(static_cast<std::uint64_t>(i)));
    initiations += pair.run_cut_off(100ms).size();
  }
  EXPECT_EQ(initiations, 2U);  // at once, and after 5 s and jitter
}

TEST(HandshakeTimer, AResponseStampsTheFiveSecondsAsWell) {
  Pair pair;
  pair.connect();
  // b, the responder, has used up its counters: it wants a handshake of its own at once.
  pair.a_at_b().sessions.current()->start_send_counter_at(kRekeyAfterMessages + 1);
  pair.b.send(pair.from_b(1));
  const auto sent = only(pair.run_cut_off(10s), MessageType::kInitiation, 1);
  ASSERT_GE(sent.size(), 1U);
  EXPECT_GE(sent[0].at, 5s - 10ms);
  EXPECT_LE(sent[0].at, 5s + 343ms);
}

TEST(HandshakeTimer, ZeroingDoesNotLiftTheFiveSeconds) {
  Pair pair;
  pair.connect();
  // Data all the time into a dead network: initiations never end, and 540 s pass meanwhile.
  Duration last{-10s};
  for (Duration at{}; at < 560s; at += 500ms) {
    pair.a.send(pair.from_a(1));
    for (const Pair::Sent& sent : only(pair.run_cut_off(500ms), MessageType::kInitiation, 0)) {
      EXPECT_GE(at + sent.at - last, 5s);
      last = at + sent.at;
    }
  }
}

TEST(NewHandshakeTimer, StartsFifteenSecondsAfterUnansweredData) {
  Pair pair;
  pair.connect();
  pair.run(20s);  // the last word was b's keepalive
  pair.a.send(pair.from_a(2));
  const auto sent = only(pair.run_cut_off(17s), MessageType::kInitiation, 0);
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_GE(sent[0].at, 15s);
  EXPECT_LE(sent[0].at, 15s + 343ms);
}

TEST(NewHandshakeTimer, ForgetsTheStickySource) {
  Pair pair;
  pair.at_b.local_address = address("192.0.2.1");
  pair.at_b.local_ifindex = 7;
  pair.connect();
  Endpoint at;
  ASSERT_TRUE(pair.b_at_a().endpoint.get(at));
  ASSERT_EQ(at.local_ifindex, 7U);
  pair.run(20s);
  pair.a.send(pair.from_a(2));
  (void)pair.run_cut_off(14s);
  ASSERT_TRUE(pair.b_at_a().endpoint.get(at));
  EXPECT_EQ(at.local_ifindex, 7U);
  (void)pair.run_cut_off(2s);
  ASSERT_TRUE(pair.b_at_a().endpoint.get(at));
  EXPECT_EQ(at.local_ifindex, 0U);
  EXPECT_TRUE(at.local_address.is_unspecified());
  EXPECT_TRUE(at.same_remote(pair.at_b));
}

TEST(NewHandshakeTimer, IsStoppedByAnyAuthenticatedPacket) {
  Pair pair;
  pair.connect();
  pair.run(20s);
  pair.a.send(pair.from_a(2));
  pair.deliver();
  // b answers with nothing but the passive keepalive after 10 s.
  EXPECT_TRUE(only(pair.run_watched(60s), MessageType::kInitiation, 0).empty());
}

TEST(PassiveKeepalive, ComesTenSecondsAfterUnrepliedData) {
  Pair pair;
  pair.connect();
  const auto sent = pair.run_watched(60s);
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_TRUE(is_keepalive(sent[0]));
  EXPECT_EQ(sent[0].from, 1);
  EXPECT_GE(sent[0].at, 10s);
  EXPECT_LE(sent[0].at, 10s + 20ms);
}

TEST(PassiveKeepalive, IsNotSentWhenDataWentBack) {
  Pair pair;
  pair.connect();
  pair.run(3s);
  pair.b.send(pair.from_b(2));
  const auto sent = pair.run_watched(60s);
  ASSERT_EQ(sent.size(), 2U);  // b's data, and a's keepalive for it
  EXPECT_EQ(sent[1].from, 0);
  EXPECT_TRUE(is_keepalive(sent[1]));
}

TEST(PassiveKeepalive, IsArmedOnceMoreWhenMoreDataCameMeanwhile) {
  Pair pair;
  pair.connect();
  pair.run(5s);
  pair.a.send(pair.from_a(2));
  pair.deliver();
  const auto sent = pair.run_watched(120s);
  ASSERT_EQ(sent.size(), 2U);
  EXPECT_TRUE(is_keepalive(sent[0]) && is_keepalive(sent[1]));
  EXPECT_LE(sent[0].at, 5s + 20ms);
  EXPECT_GE(sent[1].at, 15s);
  EXPECT_LE(sent[1].at, 15s + 20ms);
}

TEST(PassiveKeepalive, TwoIdlePeersGoSilent) {
  Pair pair;
  pair.connect();
  pair.b.send(pair.from_b(1));
  pair.deliver();
  pair.run(15s);
  EXPECT_TRUE(pair.run_watched(700s, 100ms).empty());
}

TEST(PersistentKeepalive, TurningItOnSendsOneAtOnce) {
  Pair pair;
  pair.connect();
  pair.run(30s);
  DeviceChange change;
  change.peers.push_back(peer_change(pair.b.public_key(), {}));
  change.peers.back().persistent_keepalive = 25;
  pair.a.apply(std::move(change));
  EXPECT_TRUE(pair.a.woken());
  pair.a.run_handshakes();
  EXPECT_EQ(pair.a.sent.size(), 1U);
}

TEST(PersistentKeepalive, IsRearmedByAnyTraversal) {
  Pair pair;
  pair.connect();
  DeviceChange change;
  change.peers.push_back(peer_change(pair.b.public_key(), {}));
  change.peers.back().persistent_keepalive = 7;
  pair.a.apply(std::move(change));
  pair.deliver();
  auto sent = pair.run_watched(7s);
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].at, 7s);
  pair.run(5s);
  pair.b.send(pair.from_b(1));  // received
  pair.deliver();
  pair.run(5s);
  pair.a.send(pair.from_a(2));  // sent
  pair.deliver();
  sent = pair.run_watched(7s);
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].at, 7s);
}

TEST(PersistentKeepalive, KeepsASessionAliveWithoutData) {
  Pair pair;
  pair.connect();
  DeviceChange change;
  change.peers.push_back(peer_change(pair.b.public_key(), {}));
  change.peers.back().persistent_keepalive = 25;
  pair.a.apply(std::move(change));
  pair.run(1000s, 100ms);
  EXPECT_NE(pair.b_at_a().sessions.current(), nullptr);
  EXPECT_FALSE(pair.b_at_a().sessions.current()->expired(pair.now().boot));
}

TEST(Rekey, InitiatorRekeysOnSendAfterTwoMinutes) {
  Pair pair;
  pair.connect();
  pair.run(119s);
  pair.a.send(pair.from_a(2));
  EXPECT_TRUE(only(pair.run_watched(500ms), MessageType::kInitiation, 0).empty());
  pair.run(1s);
  pair.a.send(pair.from_a(3));
  EXPECT_EQ(only(pair.run_watched(500ms), MessageType::kInitiation, 0).size(), 1U);
}

TEST(Rekey, ResponderDoesNotRekeyByAge) {
  Pair pair;
  pair.connect();
  pair.run(150s);
  pair.b.send(pair.from_b(2));
  EXPECT_TRUE(only(pair.run_watched(5s), MessageType::kInitiation, 1).empty());
}

TEST(Rekey, InitiatorRekeysOnReceiveAfter165SecondsOnceASession) {
  Pair pair;
  pair.connect();
  pair.run(164s);
  pair.b.send(pair.from_b(2));
  EXPECT_TRUE(only(pair.run_watched(900ms), MessageType::kInitiation, 0).empty());
  pair.run(200ms);
  // The network swallows the initiation; more data does not ask again.
  Keypair* const old = pair.b_at_a().sessions.current();
  for (int i = 0; i < 3; ++i) {
    pair.b.send(pair.from_b(3));
    Pair::carry(pair.b, pair.a, pair.at_b);
  }
  EXPECT_TRUE(old->rekey_on_receive_done.load());
  pair.a.run_handshakes();
  ASSERT_EQ(pair.a.sent.size(), 1U);
  EXPECT_EQ(classify_message(pair.a.sent[0].bytes), MessageType::kInitiation);
}

TEST(Rekey, EitherSideRekeysAfterItsMessages) {
  for (const bool initiator : {true, false}) {
    Pair pair;
    pair.connect();
    pair.run(6s);
    Node& node = initiator ? pair.a : pair.b;
    Keypair* const keypair = Pair::only_peer(node).sessions.current();
    keypair->start_send_counter_at(kRekeyAfterMessages - 1);
    const Packet packet = initiator ? pair.from_a(2) : pair.from_b(2);
    const int from = initiator ? 0 : 1;
    node.send(packet);  // counter 2^60 - 1; the next one is 2^60
    EXPECT_TRUE(only(pair.run_watched(10ms), MessageType::kInitiation, from).empty());
    node.send(packet);
    EXPECT_EQ(only(pair.run_watched(10ms), MessageType::kInitiation, from).size(), 1U);
    EXPECT_NE(Pair::only_peer(node).sessions.current(), keypair);
  }
}

TEST(Expiry, AKeypairOf180SecondsNeitherSendsNorReceives) {
  Pair pair;
  pair.connect();
  pair.b.send(pair.from_b(2));  // sealed, and late
  const std::vector<Datagram> late = std::exchange(pair.b.sent, {});
  pair.sleep(179s);
  pair.a.send(pair.from_a(3));
  ASSERT_EQ(pair.a.sent.size(), 1U);
  EXPECT_EQ(classify_message(pair.a.sent[0].bytes), MessageType::kTransportData);
  pair.a.sent.clear();
  pair.sleep(1s);
  pair.a.send(pair.from_a(4));
  EXPECT_TRUE(pair.a.sent.empty());
  EXPECT_EQ(pair.b_at_a().staged.size(), 1U);
  pair.a.receive({late[0].bytes, pair.at_b, 0});
  EXPECT_TRUE(pair.a.to_tun.empty());
  EXPECT_EQ(total_drops(pair.a.device(), DropReason::kSessionExpired), 1U);
}

TEST(Expiry, TheViewShowsASessionAsLongAsItSends) {
  Pair pair;
  EXPECT_FALSE(pair.a.view().peers[0].has_session);
  EXPECT_FALSE(pair.a.view().peers[0].reachable);
  pair.connect();
  EXPECT_TRUE(pair.a.view().peers[0].has_session);
  EXPECT_TRUE(pair.a.view().peers[0].reachable);
  pair.sleep(180s);
  EXPECT_FALSE(pair.a.view().peers[0].has_session);
  EXPECT_FALSE(pair.a.device().view_peer(pair.b.public_key(), pair.now().boot)->has_session);
}

TEST(Expiry, TheViewShowsAPeerThatLeavesDataUnanswered) {
  Pair pair;
  pair.connect();
  pair.a.send(pair.from_a(2));
  pair.sleep(11s);
  EXPECT_TRUE(pair.a.view().peers[0].reachable) << "its passive keepalive may be on the way";
  pair.sleep(2s);
  EXPECT_TRUE(pair.a.view().peers[0].has_session);
  EXPECT_FALSE(pair.a.view().peers[0].reachable);
}

TEST(Expiry, SpentCountersNeitherSendNorReceive) {
  Pair pair;
  pair.connect();
  pair.b_at_a().sessions.current()->start_send_counter_at(kRejectAfterMessages - 1);
  pair.a.send(pair.from_a(2));  // the last one
  ASSERT_EQ(pair.a.sent.size(), 1U);
  pair.a.send(pair.from_a(3));
  EXPECT_EQ(pair.a.sent.size(), 1U);
  EXPECT_EQ(pair.b_at_a().staged.size(), 1U);
  pair.run(6s);  // a new session brings it over
  ASSERT_EQ(pair.b.to_tun.size(), 2U);
  EXPECT_EQ(pair.b.to_tun[1], pair.from_a(3));
}

TEST(Zeroing, KeysAreGone540SecondsAfterTheLastSession) {
  Pair pair;
  pair.connect();
  (void)pair.run_watched(539s, 100ms);
  EXPECT_GT(DeviceInspector::state(pair.a.device()).sessions.size(), 0U);
  EXPECT_GT(DeviceInspector::state(pair.b.device()).sessions.size(), 0U);
  (void)pair.run_watched(2s, 100ms);
  EXPECT_EQ(DeviceInspector::state(pair.a.device()).sessions.size(), 0U);
  EXPECT_EQ(DeviceInspector::state(pair.b.device()).sessions.size(), 0U);
  EXPECT_EQ(pair.b_at_a().sessions.current(), nullptr);
  EXPECT_TRUE(DeviceInspector::state(pair.a.device()).timers.empty());
  EXPECT_EQ(pair.b_at_a().control.handshake.local_index(), 0U);
}

TEST(Zeroing, DropsStagedPacketsAndTheHandshakeUnderWay) {
  Pair pair;
  pair.connect();
  (void)pair.run_watched(535s, 100ms);
  pair.a.send(pair.from_a(2));
  (void)pair.run_cut_off(6s);
  EXPECT_EQ(pair.b_at_a().staged.size(), 0U);
  EXPECT_EQ(total_drops(pair.a.device(), DropReason::kStagedExpired), 1U);
  EXPECT_TRUE(DeviceInspector::state(pair.a.device()).pending_indices.empty());
}

TEST(Zeroing, ANewSessionPutsItOff) {
  Pair pair;
  pair.connect();
  pair.run(500s, 100ms);
  pair.a.send(pair.from_a(2));
  pair.deliver();
  pair.run(530s, 100ms);
  EXPECT_GT(DeviceInspector::state(pair.a.device()).sessions.size(), 0U);
}

// All that was due in the meantime is due at once: the keys are wiped, and the persistent keepalive
// asks for a new session, as the address translator on the way has forgotten the old one.
TEST(Suspend, APersistentKeepaliveBeginsASessionAtOnce) {
  Pair pair;
  pair.connect();
  DeviceChange change;
  change.peers.push_back(peer_change(pair.b.public_key(), {}));
  change.peers.back().persistent_keepalive = 25;
  pair.a.apply(std::move(change));
  pair.deliver();
  pair.sleep(3600s);
  pair.a.run_handshakes();
  pair.a.run_handshakes();
  ASSERT_EQ(pair.a.sent.size(), 1U);
  EXPECT_EQ(classify_message(pair.a.sent[0].bytes), MessageType::kInitiation);
}

TEST(Suspend, KeysAreNotFreshAfterALongSleep) {
  Pair pair;
  pair.connect();
  pair.a.send(pair.from_a(2));
  const std::vector<Datagram> late = std::exchange(pair.a.sent, {});
  pair.sleep(3600s);  // nobody's timers ran
  pair.b.receive({late[0].bytes, pair.at_a, 0});
  EXPECT_TRUE(pair.b.to_tun.empty());
  pair.deliver();
  EXPECT_EQ(DeviceInspector::state(pair.b.device()).sessions.size(), 0U);
  pair.a.send(pair.from_a(3));
  pair.deliver();
  ASSERT_EQ(pair.b.to_tun.size(), 1U);
}

}  // namespace
}  // namespace hawser::testing
