// The controller: decisions of the router, relay as a router does it, ICMP.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "base/wire.h"
#include "dataplane/train_sealer.h"
#include "routing/checksum.h"
#include "routing/ip_packet.h"
#include "tests/dataplane/hub.h"

namespace hawser::testing {
namespace {

InnerPacket a_to_b(bool v6 = false) {
  return {.source = address(v6 ? "fd00::2" : "10.0.0.2"),
          .destination = address(v6 ? "fd00::3" : "10.0.0.3"),
          .id = 5,
          .payload_len = 100};
}

InnerPacket a_to(const char* destination) {
  const bool v6 = address(destination).family == IpFamily::kV6;
  return {.source = address(v6 ? "fd00::2" : "10.0.0.2"),
          .destination = address(destination),
          .id = 6,
          .payload_len = 100};
}

// --- who gets it ---

TEST(Forwarding, DirectRelaysBetweenPeersInTheProcess) {
  Hub hub;
  for (const bool v6 : {false, true}) {
    hub.a.send(make_packet(a_to_b(v6)));
    hub.deliver();
    ASSERT_EQ(hub.b.to_tun.size(), 1U);
    const auto inner = read_packet(hub.b.to_tun[0]);
    ASSERT_TRUE(inner);
    EXPECT_EQ(inner->hop_limit, 63);
    hub.b.to_tun.clear();
  }
  EXPECT_TRUE(hub.hub.to_tun.empty());
  EXPECT_EQ(hub.hub.device().counters().relayed_packets, 2U);
  EXPECT_EQ(hub.new_drops(), 0U);
}

TEST(Forwarding, KernelHandsEverythingToTun) {
  Hub hub(Hub::with(ForwardMode::kKernel, true));
  hub.a.send(make_packet(a_to_b()));
  hub.deliver();
  EXPECT_TRUE(hub.b.to_tun.empty());
  ASSERT_EQ(hub.hub.to_tun.size(), 1U);
  EXPECT_EQ(hub.hub.to_tun[0], make_packet(a_to_b())) << "untouched, hop limit included";
}

TEST(Forwarding, NoneTakesOnlyWhatIsForUs) {
  Hub hub(Hub::with(ForwardMode::kNone, true));
  hub.a.send(make_packet(a_to_b()));
  hub.a.send(make_packet(a_to("10.0.0.1")));
  hub.deliver();
  EXPECT_TRUE(hub.b.to_tun.empty());
  EXPECT_EQ(hub.hub.to_tun.size(), 1U);
  EXPECT_EQ(total_drops(hub.hub.device(), DropReason::kNotForUs), 1U);
}

TEST(Forwarding, WithoutTunItRelaysWhateverTheModeButNone) {
  for (const ForwardMode mode : {ForwardMode::kKernel, ForwardMode::kDirect}) {
    Hub hub(Hub::with(mode, false));
    hub.a.send(make_packet(a_to_b()));
    hub.deliver();
    EXPECT_EQ(hub.b.to_tun.size(), 1U);
  }
  Hub hub(Hub::with(ForwardMode::kNone, false));
  hub.a.send(make_packet(a_to_b()));
  hub.deliver();
  EXPECT_TRUE(hub.b.to_tun.empty());
  EXPECT_EQ(total_drops(hub.hub.device(), DropReason::kNotForUs), 1U);
}

TEST(Forwarding, OurOwnAddressesWinOverEverything) {
  Hub hub;
  hub.give_hub(hub.b.public_key(), "10.0.0.1/32");
  hub.give_hub(hub.b.public_key(), "0.0.0.0/0");
  hub.a.send(make_packet(a_to("10.0.0.1")));
  hub.deliver();
  EXPECT_EQ(hub.hub.to_tun.size(), 1U);
  EXPECT_TRUE(hub.b.to_tun.empty());
}

TEST(Forwarding, TheLongerOfHostRouteAndAllowedIpWins) {
  Hub hub;
  hub.give_hub(hub.b.public_key(), "10.5.0.0/16");
  const auto goes_to_b = [&](const HostRoutes& routes, const char* destination) {
    hub.hub.device().set_host_routes(routes);
    hub.b.to_tun.clear();
    hub.hub.to_tun.clear();
    hub.a.send(make_packet(a_to(destination)));
    hub.deliver();
    EXPECT_EQ(hub.b.to_tun.size() + hub.hub.to_tun.size(), 1U);
    return !hub.b.to_tun.empty();
  };
  HostRoutes routes;
  EXPECT_TRUE(goes_to_b(routes, "10.5.1.1"));
  routes.routes = {prefix("10.5.1.0/24")};
  EXPECT_FALSE(goes_to_b(routes, "10.5.1.1"));
  EXPECT_TRUE(goes_to_b(routes, "10.5.2.1"));
  routes.routes = {prefix("10.5.0.0/16")};
  EXPECT_TRUE(goes_to_b(routes, "10.5.1.1")) << "equally long: the peer";
  routes.routes = {prefix("10.0.0.0/8")};
  EXPECT_TRUE(goes_to_b(routes, "10.5.1.1"));
  routes.own_addresses = {address("10.5.1.1")};
  EXPECT_FALSE(goes_to_b(routes, "10.5.1.1"));
  routes = {};
  EXPECT_TRUE(goes_to_b(routes, "10.5.1.1")) << "routes that are gone count no more";
}

TEST(Forwarding, APeerWithADefaultRouteStealsNeitherTheHostNorItsRoutes) {
  Hub hub;
  hub.give_hub(hub.b.public_key(), "::/0");
  HostRoutes routes;
  routes.own_addresses = {address("2001:db8::1")};
  routes.routes = {prefix("::/0"), prefix("2001:db8:5::/48")};
  hub.hub.device().set_host_routes(routes);
  for (const char* ours : {"2001:db8::1", "2001:db8:5::9", "fe80::1", "ff02::1", "fd00::1"}) {
    hub.a.send(make_packet(a_to(ours)));
  }
  hub.deliver();
  EXPECT_EQ(hub.hub.to_tun.size(), 5U);
  EXPECT_TRUE(hub.b.to_tun.empty());
  hub.a.send(make_packet(a_to("2001:db8:6::9")));
  hub.deliver();
  EXPECT_EQ(hub.b.to_tun.size(), 1U);
}

TEST(Forwarding, WithoutTunLinkLocalAndMulticastEndHere) {
  Hub hub(Hub::with(ForwardMode::kDirect, false));
  hub.give_hub(hub.b.public_key(), "::/0");
  for (const char* there : {"fe80::1", "ff02::1"}) hub.a.send(make_packet(a_to(there)));
  hub.deliver();
  EXPECT_TRUE(hub.b.to_tun.empty());
  EXPECT_EQ(total_drops(hub.hub.device(), DropReason::kNotForUs), 2U);
}

TEST(Forwarding, ASourceThatBelongsToAnotherPeerIsRefused) {
  Hub hub;
  InnerPacket forged = a_to_b();
  forged.source = address("10.0.0.3");
  hub.a.send(make_packet(forged));
  forged.source = address("10.99.0.1");
  hub.a.send(make_packet(forged));
  hub.deliver();
  EXPECT_TRUE(hub.b.to_tun.empty());
  EXPECT_EQ(total_drops(hub.hub.device(), DropReason::kSourceNotAllowed), 2U);
  EXPECT_TRUE(hub.a.to_tun.empty()) << "no ICMP error for a forged source";
}

// --- the relay is a router ---

TEST(Relay, APacketAtTheEndOfItsHopsIsAnsweredAndCounted) {
  Hub hub;
  for (const bool v6 : {false, true}) {
    InnerPacket dying = a_to_b(v6);
    dying.hop_limit = 1;
    hub.a.send(make_packet(dying));
    hub.deliver();
    EXPECT_TRUE(hub.b.to_tun.empty());
    ASSERT_EQ(hub.a.to_tun.size(), 1U);
    EXPECT_EQ(read_icmp(hub.a.to_tun[0]), (v6 ? IcmpKind{3, 0} : IcmpKind{11, 0}));
    EXPECT_EQ(parse_ip(hub.a.to_tun[0])->source, address(v6 ? "fd00::1" : "10.0.0.1"));
    hub.a.to_tun.clear();
  }
  EXPECT_EQ(total_drops(hub.hub.device(), DropReason::kHopLimit), 2U);
  EXPECT_EQ(hub.hub.device().counters().icmp_errors_sent, 2U);
}

TEST(Relay, WhatIsTooBigIsAnsweredWithTheMtu) {
  Hub hub;
  hub.hub.device().set_mtu(1300);
  for (const bool v6 : {false, true}) {
    InnerPacket big = a_to_b(v6);
    big.payload_len = 1360;
    hub.a.send(make_packet(big));
    hub.deliver();
    EXPECT_TRUE(hub.b.to_tun.empty());
    ASSERT_EQ(hub.a.to_tun.size(), 1U);
    const Packet& error = hub.a.to_tun[0];
    EXPECT_EQ(read_icmp(error), (v6 ? IcmpKind{2, 0} : IcmpKind{3, 4}));
    const std::size_t icmp = v6 ? 40 : 20;
    EXPECT_EQ(v6 ? load_be32(&error[icmp + 4]) : load_be16(&error[icmp + 6]), 1300U);
    EXPECT_LE(error.size(), v6 ? 1280U : 576U);
    hub.a.to_tun.clear();
  }
  EXPECT_EQ(total_drops(hub.hub.device(), DropReason::kTooBig), 2U);
}

// Over IPv6 a datagram may be longer than what we send at most.
TEST(Relay, WhatNoDatagramOfOursCanHoldIsTooBigWhateverTheMtu) {
  Hub hub;
  hub.hub.device().set_mtu(65535);
  std::uint64_t counter = 500;
  for (const std::uint32_t len : {kMaxInnerPacketLen - 2, kMaxInnerPacketLen + 1, 65495U}) {
    InnerPacket big = a_to_b(true);
    big.payload_len = len - 48;
    Packet packet = make_packet(big);
    packet.resize((packet.size() + 15) / 16 * 16);
    hub.hub.receive({seal_as(hub.a, packet, counter++), hub.at_a, 0});
    hub.deliver();
  }
  EXPECT_EQ(hub.b.to_tun.size(), 1U);
  EXPECT_EQ(total_drops(hub.hub.device(), DropReason::kTooBig), 2U);
}

TEST(Relay, Ipv4WithoutDfIsFragmented) {
  Hub hub;
  hub.hub.device().set_mtu(576);
  InnerPacket big = a_to_b();
  big.payload_len = 1300;
  big.dont_fragment = false;
  const Packet whole = make_packet(big);
  hub.a.send(whole);
  hub.deliver();
  ASSERT_EQ(hub.b.to_tun.size(), 3U);
  Packet joined(whole.begin(), whole.begin() + 20);
  for (std::size_t i = 0; i < 3; ++i) {
    const Packet& part = hub.b.to_tun[i];
    const auto header = parse_ip(part);
    ASSERT_TRUE(header);
    EXPECT_LE(part.size(), 576U);
    EXPECT_EQ(header->hop_limit, 63);
    EXPECT_EQ(checksum_finish(checksum_add(0, std::span(part).first(20))), 0);
    const std::uint16_t field = load_be16(&part[6]);
    EXPECT_EQ((field & 0x1fffU) * 8, joined.size() - 20);
    EXPECT_EQ((field & 0x2000) != 0, i + 1 < 3);
    joined.insert(joined.end(), part.begin() + 20, part.end());
  }
  EXPECT_TRUE(std::equal(whole.begin() + 20, whole.end(), joined.begin() + 20, joined.end()));
  EXPECT_EQ(hub.new_drops(), 0U);
}

TEST(Relay, UnknownEndpointsAndRoutesAreAnswered) {
  Hub hub(Hub::with(ForwardMode::kDirect, false));
  hub.give_hub(make_private_key(8).derive_public(), "10.8.0.0/16", /*with_endpoint=*/false);
  hub.a.send(make_packet(a_to("10.8.0.1")));
  hub.a.send(make_packet(a_to("10.77.0.1")));
  hub.deliver();
  ASSERT_EQ(hub.a.to_tun.size(), 2U);
  EXPECT_EQ(read_icmp(hub.a.to_tun[0]), (IcmpKind{3, 1}));
  EXPECT_EQ(read_icmp(hub.a.to_tun[1]), (IcmpKind{3, 0}));
  EXPECT_EQ(total_drops(hub.hub.device(), DropReason::kNoEndpoint), 1U);
  EXPECT_EQ(total_drops(hub.hub.device(), DropReason::kNoRoute), 1U);
}

TEST(Relay, ErrorsAreRateLimitedAndEveryDropStillCounted) {
  Hub hub;
  InnerPacket dying = a_to_b();
  dying.hop_limit = 1;
  for (int i = 0; i < 500; ++i) {
    hub.a.send(make_packet(dying));
  }
  hub.deliver();
  EXPECT_EQ(hub.a.to_tun.size(), std::size_t{kIcmpErrorsBurstOfPeer});
  EXPECT_EQ(total_drops(hub.hub.device(), DropReason::kHopLimit), 500U);
  hub.sleep(50ms);
  for (int i = 0; i < 500; ++i) hub.a.send(make_packet(dying));
  hub.deliver();
  EXPECT_EQ(hub.a.to_tun.size(), std::size_t{kIcmpErrorsBurstOfPeer} + 5);
}

// One peer's noise takes nothing from another's path MTU discovery, nor from its traceroute; and
// nothing from its own path MTU discovery.
TEST(Relay, APeerThatSpendsItsErrorsSilencesNobody) {
  Hub hub;
  hub.hub.device().set_mtu(1300);
  InnerPacket dying = a_to_b();
  dying.hop_limit = 1;
  InnerPacket big = a_to_b();
  big.payload_len = 1360;
  for (int i = 0; i < 60; ++i) hub.a.send(make_packet(dying));
  hub.deliver();
  EXPECT_EQ(hub.a.to_tun.size(), std::size_t{kIcmpErrorsBurstOfPeer});
  hub.a.to_tun.clear();

  for (InnerPacket from_b : {dying, big}) {
    std::swap(from_b.source, from_b.destination);
    hub.b.to_tun.clear();
    hub.b.send(make_packet(from_b));
    hub.deliver();
    ASSERT_EQ(hub.b.to_tun.size(), 1U);
    EXPECT_EQ(read_icmp(hub.b.to_tun[0]),
              (from_b.hop_limit == 1 ? IcmpKind{11, 0} : IcmpKind{3, 4}));
  }
  hub.a.send(make_packet(big));
  hub.deliver();
  ASSERT_EQ(hub.a.to_tun.size(), 1U);
  EXPECT_EQ(read_icmp(hub.a.to_tun[0]), (IcmpKind{3, 4}));
}

// Its offset would run into the flags when we cut it further.
TEST(Relay, AFragmentThatEndsBeyondTheLongestPacketIsDropped) {
  Hub hub;
  hub.hub.device().set_mtu(576);
  for (const std::uint16_t offset : {std::uint16_t{8190}, std::uint16_t{8000}}) {
    InnerPacket inner = a_to_b();
    inner.payload_len = 1300;
    inner.dont_fragment = false;
    Packet packet = make_packet(inner);
    store_be16(&packet[6], offset);
    packet.resize((packet.size() + 15) / 16 * 16);
    hub.hub.receive({seal_as(hub.a, packet, 500U + offset), hub.at_a, 0});
    hub.deliver();
  }
  EXPECT_EQ(total_drops(hub.hub.device(), DropReason::kInnerMalformed), 1U);
  EXPECT_EQ(hub.b.to_tun.size(), 3U) << "the one that ends at 65,328";
}

TEST(Relay, AnIcmpErrorIsNotAnsweredWithAnother) {
  Hub hub;
  InnerPacket dying = a_to_b();
  dying.hop_limit = 1;
  hub.a.send(make_packet(dying));
  hub.deliver();
  ASSERT_EQ(hub.a.to_tun.size(), 1U);
  Packet error = hub.a.to_tun[0];
  hub.a.to_tun.clear();
  // The same error as a's own, on its last hop to b.
  for (std::size_t i = 0; i < 4; ++i) {
    error[12 + i] = address("10.0.0.2").bytes[i];
    error[16 + i] = address("10.0.0.3").bytes[i];
  }
  error[8] = 1;
  hub.a.send(error);
  hub.deliver();
  EXPECT_TRUE(hub.a.to_tun.empty());
  EXPECT_EQ(total_drops(hub.hub.device(), DropReason::kHopLimit), 2U);
}

TEST(Relay, TheSendersPaddingIsNotPassedOn) {
  Hub hub;
  const Packet packet = make_packet(a_to_b());
  Packet padded = packet;
  padded.resize((packet.size() + 15) / 16 * 16 + 64, 0xee);
  const Packet datagram = seal_as(hub.a, padded, 500);
  hub.hub.receive({datagram, hub.at_a, 0});
  ASSERT_EQ(hub.hub.sent.size(), 1U);
  const Packet plain = open_as(hub.b, hub.hub.sent[0].bytes);
  EXPECT_EQ(plain.size(), (packet.size() + 15) / 16 * 16);
  for (std::size_t i = packet.size(); i < plain.size(); ++i) EXPECT_EQ(plain[i], 0);
}

TEST(Relay, ATrainStaysATrainWithoutACopy) {
  Hub hub;
  std::vector<Packet> packets;
  for (std::uint64_t id = 0; id < 20; ++id) {
    InnerPacket inner = a_to_b();
    inner.id = id;
    inner.payload_len = id + 1 < 20 ? 900 : 300;
    packets.push_back(make_packet(inner));
  }
  hub.a.send(packets);
  std::vector<Datagram> train = std::exchange(hub.a.sent, {});
  for (Datagram& datagram : train) datagram.remote = hub.at_a;
  std::size_t sends = 0;
  std::size_t slices = 0;
  hub.hub.send_result = [&](const UdpSend& send) {
    ++sends;
    slices += send.num_slices;
    return UdpOutcome{};
  };
  hub.hub.receive_trains({train});
  EXPECT_EQ(sends, 1U);
  EXPECT_EQ(slices, 1U) << "the train goes out of the buffer it came in";
  hub.deliver();
  ASSERT_EQ(hub.b.to_tun.size(), 20U);
  for (std::uint64_t id = 0; id < 20; ++id) EXPECT_EQ(read_packet(hub.b.to_tun[id])->id, id);
}

// What `count` packets from a to b look like on the wire.
std::vector<Datagram> sealed_by_a(Hub& hub, std::uint64_t count, std::size_t payload_len) {
  std::vector<Packet> packets;
  for (std::uint64_t id = 0; id < count; ++id) {
    InnerPacket inner = a_to_b();
    inner.id = id;
    inner.payload_len = payload_len;
    packets.push_back(make_packet(inner));
  }
  hub.a.send(packets);
  std::vector<Datagram> datagrams = std::exchange(hub.a.sent, {});
  for (Datagram& datagram : datagrams) datagram.remote = hub.at_a;
  return datagrams;
}

// How many segments each send of `node` has, and in how many slices.
struct SendSizes {
  explicit SendSizes(Node& node) {
    node.send_result = [this](const UdpSend& send) {
      segments.push_back((send.len + send.segment_len - 1) / send.segment_len);
      slices.push_back(send.num_slices);
      return UdpOutcome{};
    };
  }
  std::vector<std::uint32_t> segments;
  std::vector<std::uint32_t> slices;
};

TEST(Relay, PacketsThatCameAloneLeaveTogether) {
  Hub hub;
  std::vector<std::vector<Datagram>> alone;
  for (Datagram& datagram : sealed_by_a(hub, 20, 900)) alone.push_back({std::move(datagram)});
  const SendSizes sizes(hub.hub);
  hub.hub.receive_trains(alone);
  EXPECT_EQ(sizes.segments, std::vector<std::uint32_t>{20});
  hub.deliver();
  ASSERT_EQ(hub.b.to_tun.size(), 20U);
  for (std::uint64_t id = 0; id < 20; ++id) EXPECT_EQ(read_packet(hub.b.to_tun[id])->id, id);
}

TEST(Relay, PacketsThatCameAloneFromTwoAddressesAreNotTakenForOneSenders) {
  Hub hub;
  std::vector<std::vector<Datagram>> alone;
  for (Datagram& datagram : sealed_by_a(hub, 4, 100)) alone.push_back({std::move(datagram)});
  // Somebody who cannot seal sends one of the others again, from elsewhere.
  alone[1][0].bytes.back() ^= 1;
  alone[1][0].remote = endpoint("192.0.2.66", 6666);
  hub.hub.receive_trains(alone);
  hub.deliver();
  EXPECT_EQ(hub.b.to_tun.size(), 3U);
  hub.hub.send(make_packet(
      {.source = address("10.0.0.1"), .destination = address("10.0.0.2"), .payload_len = 64}));
  ASSERT_EQ(hub.hub.sent.size(), 1U);
  EXPECT_TRUE(hub.hub.sent[0].remote.same_remote(hub.at_a)) << "the forger is not answered";
}

TEST(Relay, AFullTrainLeavesAsItCame) {
  Hub hub;
  std::vector<Datagram> datagrams = sealed_by_a(hub, 80, 1300);
  const std::vector<Datagram> first(datagrams.begin(), datagrams.begin() + 40);
  const std::vector<Datagram> second(datagrams.begin() + 40, datagrams.end());
  const SendSizes sizes(hub.hub);
  hub.hub.receive_trains({first, second});
  EXPECT_EQ(sizes.segments, (std::vector<std::uint32_t>{40, 40}));
  EXPECT_EQ(sizes.slices, (std::vector<std::uint32_t>{1, 1}));
}

TEST(Relay, ShortTrainsOfOneSenderAreJoined) {
  Hub hub;
  std::vector<Datagram> datagrams = sealed_by_a(hub, 30, 1300);
  const std::vector<Datagram> first(datagrams.begin(), datagrams.begin() + 15);
  const std::vector<Datagram> second(datagrams.begin() + 15, datagrams.end());
  const SendSizes sizes(hub.hub);
  hub.hub.receive_trains({first, second});
  EXPECT_EQ(sizes.segments, std::vector<std::uint32_t>{30});
  EXPECT_EQ(sizes.slices, std::vector<std::uint32_t>{2});
}

TEST(TunSide, ConsecutivePacketsForOnePeerLeaveTogether) {
  Hub hub;
  std::vector<Packet> packets;
  for (std::uint64_t id = 0; id < 20; ++id) {
    InnerPacket inner = a_to_b();
    inner.id = id;
    packets.push_back(make_packet(inner));
  }
  const SendSizes sizes(hub.a);
  hub.a.send(packets);
  EXPECT_EQ(sizes.segments, std::vector<std::uint32_t>{20});
  hub.deliver();
  ASSERT_EQ(hub.b.to_tun.size(), 20U);
  for (std::uint64_t id = 0; id < 20; ++id) EXPECT_EQ(read_packet(hub.b.to_tun[id])->id, id);
}

TEST(TunSide, PacketsForPeersInTurnLeaveInOrder) {
  Hub hub;
  std::vector<Packet> packets;
  for (std::uint64_t id = 0; id < 30; ++id) {
    packets.push_back(make_packet({.source = address("10.0.0.1"),
                                   .destination = address(id % 3 == 0 ? "10.0.0.2" : "10.0.0.3"),
                                   .id = id,
                                   .payload_len = 64}));
  }
  hub.hub.send(packets);
  hub.deliver();
  ASSERT_EQ(hub.a.to_tun.size() + hub.b.to_tun.size(), 30U);
  for (const auto* got : {&hub.a.to_tun, &hub.b.to_tun}) {
    std::vector<std::uint64_t> ids;
    for (const Packet& packet : *got) ids.push_back(read_packet(packet)->id);
    EXPECT_TRUE(std::is_sorted(ids.begin(), ids.end()));
  }
}

TEST(Relay, AMixedTrainKeepsTheOrderOfEachPair) {
  Hub hub;
  std::vector<Packet> packets;
  for (std::uint64_t id = 0; id < 60; ++id) {
    // To b, to the controller itself, back to a, and nowhere.
    InnerPacket inner = a_to(std::array{"10.0.0.3", "10.0.0.1", "10.0.0.2", "224.0.0.5"}[id % 4]);
    inner.id = id;
    packets.push_back(make_packet(inner));
  }
  hub.a.send(packets);
  std::vector<Datagram> train = std::exchange(hub.a.sent, {});
  for (Datagram& datagram : train) datagram.remote = hub.at_a;
  const SendSizes sizes(hub.hub);
  hub.hub.receive_trains({train});
  EXPECT_EQ(sizes.segments, (std::vector<std::uint32_t>{15, 15})) << "one train a peer";
  hub.deliver();
  for (const auto* got : {&hub.b.to_tun, &hub.a.to_tun, &hub.hub.to_tun}) {
    std::uint64_t last = 0;
    for (const Packet& packet : *got) {
      const auto inner = read_packet(packet);
      ASSERT_TRUE(inner);
      EXPECT_TRUE(inner->id > last || last == 0);
      last = inner->id;
    }
  }
  EXPECT_EQ(hub.b.to_tun.size(), 15U);
  EXPECT_EQ(hub.a.to_tun.size(), 15U);
  EXPECT_EQ(hub.hub.to_tun.size(), 30U);
}

TEST(Relay, WaitsForASessionInTheStagedPackets) {
  Hub hub;
  hub.hub.device().set_up(false, kStart);
  hub.hub.device().set_up(true, kStart);  // no sessions left
  hub.a.send(make_packet(a_to("10.0.0.1")));
  hub.sleep(16s);
  hub.deliver();
  hub.hub.to_tun.clear();
  hub.a.send(make_packet(a_to_b()));
  for (const Datagram& d : std::exchange(hub.a.sent, {})) hub.hub.receive({d.bytes, hub.at_a, 0});
  EXPECT_TRUE(hub.b.to_tun.empty());
  hub.deliver();
  EXPECT_EQ(hub.b.to_tun.size(), 1U);
}

// --- without a TUN device ---

TEST(NoTun, AnswersEchoRequestsToItsOwnAddressAndNothingElse) {
  Hub hub(Hub::with(ForwardMode::kDirect, false));
  for (const bool v6 : {false, true}) {
    hub.a.send(make_echo_request(address(v6 ? "fd00::2" : "10.0.0.2"),
                                 address(v6 ? "fd00::1" : "10.0.0.1"), 9));
    hub.deliver();
    ASSERT_EQ(hub.a.to_tun.size(), 1U);
    EXPECT_EQ(read_icmp(hub.a.to_tun[0]), (v6 ? IcmpKind{129, 0} : IcmpKind{0, 0}));
    hub.a.to_tun.clear();
  }
  hub.a.send(make_packet(a_to("10.0.0.1")));
  hub.deliver();
  EXPECT_TRUE(hub.a.to_tun.empty());
  EXPECT_EQ(total_drops(hub.hub.device(), DropReason::kNotForUs), 1U);
}

TEST(NoTun, AnEchoRequestThatNoDatagramOfOursCanHoldIsNotAnswered) {
  Hub hub(Hub::with(ForwardMode::kDirect, false));
  const IpAddress source = address("fd00::2");
  const IpAddress destination = address("fd00::1");
  Packet request = make_echo_request(source, destination, 9);
  request.resize(kMaxInnerPacketLen + 5);
  const std::span icmp = std::span(request).subspan(40);
  store_be16(&request[4], static_cast<std::uint16_t>(icmp.size()));
  store_be16(&icmp[2], 0);
  const std::uint64_t pseudo = pseudo_header_sum(source, destination, kProtocolIcmpv6,
                                                 static_cast<std::uint32_t>(icmp.size()));
  store_be16(&icmp[2], checksum_finish(checksum_add(pseudo, icmp)));
  hub.hub.receive({seal_as(hub.a, request, 500), hub.at_a, 0});
  EXPECT_TRUE(hub.hub.sent.empty());
  EXPECT_EQ(total_drops(hub.hub.device(), DropReason::kTooBig), 1U);
}

TEST(NoTun, WithoutAnAddressTheDummyAnswersForIpv4) {
  DeviceOptions options;
  options.forward = ForwardMode::kDirect;
  options.has_tun = false;
  Hub hub(options);
  hub.a.send(make_packet(a_to("10.77.0.1")));
  hub.a.send(make_packet(a_to("2001:db8::77")));
  hub.deliver();
  ASSERT_EQ(hub.a.to_tun.size(), 1U);
  EXPECT_EQ(parse_ip(hub.a.to_tun[0])->source, address("192.0.0.8"));
}

}  // namespace
}  // namespace hawser::testing
