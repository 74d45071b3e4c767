// CONFORMANCE, "Transport" and "Sockets": what the device does with data, sends and their outcomes.
#include <gtest/gtest.h>

#include <cerrno>

#include "base/wire.h"
#include "tests/dataplane/pair.h"

namespace hawser::testing {
namespace {

TEST(Padding, IsZerosToAMultipleOf16CappedAtTheMtu) {
  Pair pair;
  pair.connect();
  for (const std::size_t payload : {std::size_t{12}, std::size_t{13}, std::size_t{20},
                                    std::size_t{1380}, std::size_t{1390}, std::size_t{1392}}) {
    const Packet packet = pair.from_a(2, payload);
    pair.a.send(packet);
    const Packet plain = open_as(pair.b, pair.a.sent.at(0).bytes);
    pair.a.sent.clear();
    const std::size_t rounded = (packet.size() + 15) / 16 * 16;
    EXPECT_EQ(plain.size(), std::min(rounded, std::size_t{1420})) << packet.size();
    EXPECT_TRUE(std::equal(packet.begin(), packet.end(), plain.begin()));
    for (std::size_t i = packet.size(); i < plain.size(); ++i) EXPECT_EQ(plain[i], 0);
  }
}

TEST(Padding, APacketBeyondTheMtuIsNotPadded) {
  Pair pair;
  pair.connect();
  const Packet packet = pair.from_a(2, 1500);
  pair.a.send(packet);
  EXPECT_EQ(pair.a.sent.at(0).bytes.size(), packet.size() + kTransportOverhead);
}

TEST(Transport, TheLargestMtuSendsWhatADatagramCanHold) {
  Pair pair;
  pair.connect();
  pair.a.device().set_mtu(65535);
  for (const std::size_t len : {std::size_t{65475}, std::size_t{65470}, std::size_t{65460}}) {
    const Packet packet = pair.from_a(2, len - 28);
    pair.a.send(packet);
    ASSERT_EQ(pair.a.sent.size(), 1U) << len;
    EXPECT_LE(pair.a.sent[0].bytes.size(), kMaxUdpPayload);
    pair.deliver();
    ASSERT_EQ(pair.b.to_tun.size(), 1U);
    EXPECT_EQ(pair.b.to_tun[0], packet);
    pair.b.to_tun.clear();
  }
}

TEST(Transport, WhatNoDatagramCanHoldIsTooBig) {
  Pair pair;
  pair.connect();
  pair.a.device().set_mtu(65535);
  pair.a.send(pair.from_a(2, 65476 - 28));
  pair.a.send(pair.from_a(2, 65535 - 28));
  EXPECT_TRUE(pair.a.sent.empty());
  EXPECT_EQ(total_drops(pair.a.device(), DropReason::kTooBig), 2U);
  ASSERT_EQ(pair.a.to_tun.size(), 2U);
  EXPECT_EQ(read_icmp(pair.a.to_tun[0]), (IcmpKind{3, 4}));
}

TEST(Transport, EcnGoesOutAndComesBack) {
  Pair pair;
  pair.connect();
  pair.a.send(make_packet({.source = address("10.0.0.1"),
                           .destination = address("10.0.0.2"),
                           .payload_len = 20,
                           .traffic_class = 0xb8 | 2}));
  ASSERT_EQ(pair.a.sent.size(), 1U);
  EXPECT_EQ(pair.a.sent[0].traffic_class, 2) << "DSCP 0, inner ECN";
  pair.b.receive({pair.a.sent[0].bytes, pair.at_a, 3});  // congestion experienced on the way
  ASSERT_EQ(pair.b.to_tun.size(), 1U);
  const auto inner = read_packet(pair.b.to_tun[0]);
  ASSERT_TRUE(inner);
  EXPECT_EQ(inner->traffic_class, 0xb8 | 3);
}

TEST(Transport, InnerGarbageIsDroppedAndCounted) {
  Pair pair;
  pair.connect();
  const std::vector<Packet> bad = {Packet(16, 0x00), Packet(16, 0x45), Packet(48, 0x60),
                                   Packet(1, 0x45), Packet(20, 0x55)};
  std::uint64_t counter = 100;
  for (const Packet& plain : bad) {
    pair.b.receive({seal_as(pair.a, plain, counter++), pair.at_a, 0});
  }
  EXPECT_EQ(total_drops(pair.b.device(), DropReason::kInnerMalformed), bad.size());
  EXPECT_TRUE(pair.b.to_tun.empty());
}

TEST(Transport, PaddingIsTrimmedOnReceive) {
  Pair pair;
  pair.connect();
  const Packet packet = pair.from_a(3, 20);
  Packet padded = packet;
  padded.resize(packet.size() + 200, 0xee);
  pair.b.receive({seal_as(pair.a, padded, 50), pair.at_a, 0});
  ASSERT_EQ(pair.b.to_tun.size(), 1U);
  EXPECT_EQ(pair.b.to_tun[0], packet);
}

TEST(Transport, TheWindowIsConsultedOnlyAfterAuthentication) {
  Pair pair;
  pair.connect();
  Packet forged = seal_as(pair.a, pair.from_a(3), 1'000'000);
  forged.back() ^= 1;
  pair.b.receive({forged, pair.at_a, 0});
  EXPECT_EQ(total_drops(pair.b.device(), DropReason::kBadTag), 1U);
  pair.a.send(pair.from_a(4));
  pair.deliver();
  EXPECT_EQ(pair.b.to_tun.size(), 1U) << "a forged counter moved the window";
}

TEST(Transport, CountersAreTakenOnceInsideAndNeverOutsideTheWindow) {
  Pair pair;
  pair.connect();
  const auto arrives = [&](std::uint64_t counter) {
    pair.b.to_tun.clear();
    pair.b.receive({seal_as(pair.a, pair.from_a(3), counter), pair.at_a, 0});
    return !pair.b.to_tun.empty();
  };
  EXPECT_TRUE(arrives(20'000));
  EXPECT_FALSE(arrives(20'000));
  EXPECT_TRUE(arrives(20'000 - kReplayWindow + 1));
  EXPECT_FALSE(arrives(20'000 - kReplayWindow + 1));
  EXPECT_FALSE(arrives(20'000 - kReplayWindow - 1));
  EXPECT_TRUE(arrives(kRejectAfterMessages - 1));
  EXPECT_FALSE(arrives(kRejectAfterMessages));
  EXPECT_EQ(total_drops(pair.b.device(), DropReason::kReplayed), 4U);
}

TEST(Transport, ATrainIsJudgedSegmentBySegment) {
  Pair pair;
  pair.connect();
  std::vector<Packet> packets;
  for (std::uint64_t id = 0; id < 6; ++id) packets.push_back(pair.from_a(id));
  pair.a.send(packets);
  std::vector<Datagram> train = std::exchange(pair.a.sent, {});
  ASSERT_EQ(train.size(), 6U);
  for (Datagram& datagram : train) datagram.remote = pair.at_a;
  train[1].bytes[40] ^= 1;                            // does not authenticate
  train[2].bytes = Packet(train[0].bytes.size(), 0);  // nothing known
  train[3].bytes = train[0].bytes;                    // again
  store_le32(&train[4].bytes[4], 0x12345);            // nobody's index
  pair.b.receive_trains({train});
  ASSERT_EQ(pair.b.to_tun.size(), 2U);
  EXPECT_EQ(pair.b.to_tun[0], packets[0]);
  EXPECT_EQ(pair.b.to_tun[1], packets[5]);
  EXPECT_EQ(total_drops(pair.b.device(), DropReason::kBadTag), 1U);
  EXPECT_EQ(total_drops(pair.b.device(), DropReason::kMalformed), 1U);
  EXPECT_EQ(total_drops(pair.b.device(), DropReason::kReplayed), 1U);
  EXPECT_EQ(total_drops(pair.b.device(), DropReason::kNoSession), 1U);
}

TEST(Transport, EveryTypeAndLengthUpTo200IsTakenInStride) {
  Pair pair;
  pair.connect();
  const std::uint64_t before = total_drops(pair.b.device());
  std::uint64_t sent = 0;
  for (std::uint32_t type : {0U, 1U, 2U, 3U, 4U, 5U, 255U, 0x01000001U}) {
    for (std::size_t len = 0; len <= 200; ++len) {
      Packet bytes(std::max<std::size_t>(len, 4), 0xa5);
      store_le32(bytes.data(), type);
      bytes.resize(len);
      pair.b.receive({bytes, pair.at_a, 0});
      ++sent;
    }
  }
  pair.b.receive({Packet(65507, 4), pair.at_a, 0});
  pair.b.run_handshakes();
  EXPECT_EQ(total_drops(pair.b.device()) - before, sent + 1);
  EXPECT_TRUE(pair.b.sent.empty());
  pair.a.send(pair.from_a(9));
  pair.deliver();
  EXPECT_EQ(pair.b.to_tun.size(), 1U);
}

TEST(Staged, TheOldestIsDroppedFirst) {
  Pair pair;
  for (std::uint64_t id = 0; id < kMaxStagedPackets + 3; ++id) pair.a.send(pair.from_a(id));
  EXPECT_EQ(total_drops(pair.a.device(), DropReason::kStagedFull), 3U);
  pair.deliver();
  ASSERT_EQ(pair.b.to_tun.size(), kMaxStagedPackets);
  EXPECT_EQ(pair.b.to_tun.front(), pair.from_a(3));
  EXPECT_EQ(pair.b.to_tun.back(), pair.from_a(kMaxStagedPackets + 2));
}

TEST(Staged, OrderIsKeptBetweenStagedAndNew) {
  Pair pair;
  for (std::uint64_t id = 0; id < 100; ++id) {
    pair.a.send(pair.from_a(id));
    if (id == 40) pair.deliver();
  }
  pair.deliver();
  ASSERT_EQ(pair.b.to_tun.size(), 100U);
  for (std::uint64_t id = 0; id < 100; ++id) EXPECT_EQ(pair.b.to_tun[id], pair.from_a(id));
}

TEST(Interface, DownDropsBothWaysAndForgetsSessions) {
  Pair pair;
  pair.connect();
  pair.b.send(pair.from_b(1));
  pair.a.device().set_up(false, pair.now());
  EXPECT_EQ(DeviceInspector::state(pair.a.device()).sessions.size(), 0U);
  pair.a.send(pair.from_a(2));
  Pair::carry(pair.b, pair.a, pair.at_b);
  EXPECT_TRUE(pair.a.to_tun.empty());
  EXPECT_TRUE(pair.a.sent.empty());
  EXPECT_EQ(total_drops(pair.a.device(), DropReason::kInterfaceDown), 2U);
  EXPECT_TRUE(pair.run_cut_off(10s).size() <= 1);  // b's own keepalive at most
  pair.a.device().set_up(true, pair.now());
  pair.a.send(pair.from_a(3));
  pair.deliver();
  EXPECT_EQ(pair.b.to_tun.size(), 1U);
}

TEST(Interface, UpSendsAKeepaliveWhereAPersistentOneIsSet) {
  Pair pair;
  DeviceChange change;
  change.peers.push_back(peer_change(pair.b.public_key(), {}));
  change.peers.back().persistent_keepalive = 25;
  pair.a.apply(std::move(change));
  pair.deliver();
  pair.a.device().set_up(false, pair.now());
  (void)pair.run_cut_off(100s);
  pair.a.device().set_up(true, pair.now());
  pair.a.run_handshakes();
  EXPECT_EQ(pair.a.sent.size(), 1U);
}

TEST(Outcomes, ARefusedGsoMakesThatPeerSingleAndIsCountedOnce) {
  Pair pair;
  pair.connect();
  pair.a.send_result = [](const UdpSend& send) {
    UdpOutcome outcome;
    outcome.gso_refused = !send.gso_refused && send.len > send.segment_len;
    return outcome;
  };
  const InnerPacket one{
      .source = address("10.0.0.1"), .destination = address("10.0.0.2"), .payload_len = 100};
  const SuperPacket two = make_super_packet(std::vector{one, one});
  pair.a.send_tun(two.bytes, two.offload);
  EXPECT_TRUE(pair.b_at_a().endpoint.gso_refused());
  EXPECT_EQ(pair.a.device().counters().gso_refusals, 1U);
  pair.deliver();
  bool flagged = false;
  pair.a.send_result = [&](const UdpSend& send) {
    flagged = send.gso_refused;
    return UdpOutcome{};
  };
  pair.a.send_tun(two.bytes, two.offload);
  EXPECT_TRUE(flagged);
  pair.deliver();
  EXPECT_EQ(pair.b.to_tun.size(), 4U);
  const auto said = std::count_if(pair.a.log.begin(), pair.a.log.end(), [](const auto& line) {
    return line.find("segmentation offload") != std::string::npos;
  });
  EXPECT_EQ(said, 1);
}

TEST(Outcomes, ARefusedGsoIsForgottenWhenThePeerMoves) {
  Pair pair;
  pair.connect();
  EXPECT_FALSE(pair.b_at_a().endpoint.refuse_gso(endpoint("192.0.2.99", 9))) << "it is not there";
  EXPECT_FALSE(pair.b_at_a().endpoint.gso_refused());
  EXPECT_TRUE(pair.b_at_a().endpoint.refuse_gso(pair.at_b));
  const auto hear_from = [&](const Endpoint& place) {
    pair.b.send(pair.from_b(7));
    for (const Datagram& datagram : std::exchange(pair.b.sent, {})) {
      pair.a.receive({datagram.bytes, place, 0});
    }
  };
  hear_from(pair.at_b);
  EXPECT_TRUE(pair.b_at_a().endpoint.gso_refused());
  hear_from(endpoint("192.0.2.99", 9));
  EXPECT_FALSE(pair.b_at_a().endpoint.gso_refused());
}

// The handshake thread sends staged packets itself; what it learns from that may not keep a
// worker's next request from waking it.
TEST(Outcomes, ARefusalOnTheHandshakeThreadWakesIt) {
  Pair pair;
  pair.a.send({pair.from_a(2), pair.from_a(3)});
  pair.a.send_result = [](const UdpSend& send) {
    return UdpOutcome{.gso_refused = send.len > send.segment_len};
  };
  pair.a.run_handshakes();
  Pair::carry(pair.a, pair.b, pair.at_a);
  pair.b.run_handshakes();
  Pair::carry(pair.b, pair.a, pair.at_b);
  pair.a.run_handshakes();  // sends both as one train
  EXPECT_TRUE(pair.b_at_a().endpoint.gso_refused());
  EXPECT_TRUE(pair.a.woken());
}

TEST(Outcomes, ARefusedSourceIsForgotten) {
  Pair pair;
  pair.at_b.local_address = address("192.0.2.1");
  pair.at_b.local_ifindex = 7;
  pair.connect();
  pair.a.send_result = [](const UdpSend&) { return UdpOutcome{.source_refused = true}; };
  pair.a.send(pair.from_a(2));
  Endpoint at;
  ASSERT_TRUE(pair.b_at_a().endpoint.get(at));
  EXPECT_TRUE(at.local_address.is_unspecified());
  EXPECT_TRUE(at.same_remote(pair.at_b));
}

TEST(Outcomes, RepliesGoOutFromWhereThePeerWasHeard) {
  Pair pair;
  pair.connect();
  Endpoint heard = pair.at_a;
  heard.local_address = address("198.51.100.5");
  heard.local_ifindex = 3;
  pair.a.send(pair.from_a(2));
  pair.b.receive({pair.a.sent.at(0).bytes, heard, 0});
  pair.b.send(pair.from_b(3));
  ASSERT_EQ(pair.b.sent.size(), 1U);
  EXPECT_EQ(pair.b.sent[0].remote, heard);
  pair.b.device().forget_source(address("198.51.100.6"));
  pair.b.send(pair.from_b(4));
  EXPECT_EQ(pair.b.sent.back().remote, heard);
  pair.b.device().forget_source(address("198.51.100.5"));
  pair.b.send(pair.from_b(5));
  EXPECT_EQ(pair.b.sent.back().remote, pair.at_a);
}

TEST(Outcomes, FailedSendsAreCountedBySegment) {
  Pair pair;
  pair.connect();
  pair.a.send_result = [](const UdpSend&) { return UdpOutcome{.error = ENETUNREACH}; };
  pair.a.send({pair.from_a(2), pair.from_a(3), pair.from_a(4, 20)});
  EXPECT_EQ(total_drops(pair.a.device(), DropReason::kSendFailed), 3U);
}

TEST(Outcomes, WhatHadLeftBeforeASendFailedIsNotCountedAsDropped) {
  Pair pair;
  pair.connect();
  pair.a.send_result = [](const UdpSend&) { return UdpOutcome{.error = ENOBUFS, .num_sent = 2}; };
  pair.a.send({pair.from_a(2), pair.from_a(3), pair.from_a(4)});
  EXPECT_EQ(total_drops(pair.a.device(), DropReason::kSendFailed), 1U);
}

TEST(Outcomes, FailedTunWritesAreCountedBySegment) {
  Pair pair;
  pair.connect();
  pair.b.tun_result = [](const TunWrite&) { return EIO; };
  pair.a.send({pair.from_a(2), pair.from_a(3), pair.from_a(4, 20)});
  pair.deliver();
  EXPECT_EQ(total_drops(pair.b.device(), DropReason::kTunFailed), 3U);
}

TEST(Loop, OurOwnOuterPacketOutOfTunIsNotWrappedAgain) {
  Pair pair;
  DeviceChange change;
  change.listen_port = 1001;
  change.peers.push_back(peer_change(pair.b.public_key(), {prefix("0.0.0.0/0")}));
  pair.a.apply(std::move(change));
  pair.connect();
  Packet looped = make_packet(
      {.source = address("192.0.2.1"), .destination = address("192.0.2.2"), .payload_len = 100});
  store_be16(&looped[20], 1001);
  store_be16(&looped[22], 1002);
  pair.a.send(looped);
  EXPECT_TRUE(pair.a.sent.empty());
  EXPECT_EQ(total_drops(pair.a.device(), DropReason::kLoop), 1U);
  store_be16(&looped[20], 1003);  // from another port: somebody else's
  pair.a.send(looped);
  EXPECT_EQ(pair.a.sent.size(), 1U);
}

TEST(TunSide, NoRouteAndNoEndpointAreAnsweredIntoTun) {
  Pair pair;
  DeviceChange change;
  change.peers.push_back(peer_change(make_private_key(5).derive_public(), {prefix("10.5.0.0/16")}));
  pair.a.apply(std::move(change));
  pair.a.send(make_packet(
      {.source = address("10.0.0.1"), .destination = address("10.77.0.1"), .payload_len = 100}));
  pair.a.send(make_packet(
      {.source = address("10.0.0.1"), .destination = address("10.5.0.1"), .payload_len = 100}));
  ASSERT_EQ(pair.a.to_tun.size(), 2U);
  EXPECT_EQ(read_icmp(pair.a.to_tun[0]), (IcmpKind{3, 0}));
  EXPECT_EQ(read_icmp(pair.a.to_tun[1]), (IcmpKind{3, 1}));
  EXPECT_EQ(total_drops(pair.a.device(), DropReason::kNoRoute), 1U);
  EXPECT_EQ(total_drops(pair.a.device(), DropReason::kNoEndpoint), 1U);
  pair.a.send(Packet(40, 0xff));
  EXPECT_EQ(total_drops(pair.a.device(), DropReason::kTunMalformed), 1U);
}

}  // namespace
}  // namespace hawser::testing
