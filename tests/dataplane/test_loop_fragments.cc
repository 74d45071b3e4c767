// Our own outer packets that a route leads back into TUN: in pieces, and through two peers.
#include <gtest/gtest.h>

#include "base/wire.h"
#include "tests/dataplane/pair.h"

namespace hawser::testing {
namespace {

constexpr std::size_t kFixedLen = 40;
constexpr std::size_t kFragmentLen = 8;

// The fragment of `packet` (IPv6) that holds `len` bytes of its payload from `at` on.
Packet fragment(const Packet& packet, std::size_t at, std::size_t len) {
  Packet piece(packet.begin(), packet.begin() + kFixedLen);
  piece.resize(kFixedLen + kFragmentLen);
  const bool more = kFixedLen + at + len < packet.size();
  store_be16(&piece[4], static_cast<std::uint16_t>(kFragmentLen + len));
  piece[kFixedLen] = piece[6];
  piece[6] = 44;
  store_be16(&piece[kFixedLen + 2], static_cast<std::uint16_t>(at | (more ? 1U : 0U)));
  const auto from = packet.begin() + static_cast<std::ptrdiff_t>(kFixedLen + at);
  piece.insert(piece.end(), from, from + static_cast<std::ptrdiff_t>(len));
  return piece;
}

// A datagram of the largest inner packet is larger than the MTU, so the kernel cuts it. Were the
// first piece wrapped again, it would be as large as before and go round without end.
TEST(LoopInPieces, TheFirstFragmentOfAnOuterIpv6PacketIsNotWrappedAgain) {
  Pair pair;
  pair.at_b = endpoint("2001:db8::2", 1002);
  DeviceChange change;
  change.listen_port = 1001;
  change.peers.push_back(peer_change(pair.b.public_key(), {prefix("::/0")}, pair.at_b));
  pair.a.apply(std::move(change));
  pair.connect();

  Packet outer = make_packet({.source = address("2001:db8::1"),
                              .destination = address("2001:db8::2"),
                              .payload_len = kDefaultMtu + kTransportOverhead});
  store_be16(&outer[40], 1001);
  store_be16(&outer[42], 1002);
  pair.a.send(fragment(outer, 0, 1368));
  EXPECT_TRUE(pair.a.sent.empty());
  EXPECT_EQ(total_drops(pair.a.device(), DropReason::kLoop), 1U);

  // Fragments of somebody else's datagram to the same host pass.
  store_be16(&outer[40], 1003);
  pair.a.send(fragment(outer, 0, 1368));
  EXPECT_EQ(pair.a.sent.size(), 1U);
}

// Two peers, each with the other's endpoint among its allowed IPs.
class LoopThroughTwoPeers : public ::testing::TestWithParam<bool> {
 protected:
  LoopThroughTwoPeers() {
    for (int i = 0; i < 2; ++i) {
      const PrivateKey key = make_private_key(20 + static_cast<std::uint64_t>(i));
      const Endpoint& at = i == 0 ? first_ : second_;
      const Endpoint& other = i == 0 ? second_ : first_;
      PeerChange peer =
          peer_change(key.derive_public(), {Prefix(other.address, other.address.bits())}, at);
      if (i == 0) peer.allowed_ips.push_back({prefix(v6() ? "fd00::9/128" : "10.0.0.9/32")});
      DeviceChange change;
      change.listen_port = 1001;
      change.peers.push_back(std::move(peer));
      pair_.a.apply(std::move(change));
    }
    pair_.connect();
    HostRoutes routes;
    routes.own_addresses = {own_};
    pair_.a.device().set_host_routes(routes);
  }
  bool v6() const { return GetParam(); }
  Packet outer(const IpAddress& from, std::uint16_t port, const Endpoint& to, std::size_t len) {
    Packet packet = make_packet({.source = from, .destination = to.address, .payload_len = len});
    const std::size_t udp = v6() ? 40 : 20;
    store_be16(&packet[udp], port);
    store_be16(&packet[udp + 2], to.port);
    return packet;
  }
  std::uint64_t num_loops() { return total_drops(pair_.a.device(), DropReason::kLoop); }
  // Sent or staged: not dropped.
  std::uint64_t num_drops() { return total_drops(pair_.a.device()); }

  const IpAddress own_ = address(v6() ? "2001:db8::1" : "192.0.2.1");
  const Endpoint first_ = endpoint(v6() ? "2001:db8::11" : "192.0.2.11", 1002);
  const Endpoint second_ = endpoint(v6() ? "2001:db8::12" : "192.0.2.12", 1003);
  Pair pair_;
};

TEST_P(LoopThroughTwoPeers, EndsAtTheFirstTurn) {
  const std::uint64_t before = num_drops();
  pair_.a.send(outer(own_, 1001, first_, 144));
  pair_.a.send(outer(own_, 1001, second_, 144));
  EXPECT_EQ(num_loops(), 2U);
  // Whatever the destination: neither peer's endpoint, but our datagram all the same.
  const Endpoint elsewhere = endpoint(v6() ? "fd00::9" : "10.0.0.9", 4444);
  pair_.a.send(outer(own_, 1001, elsewhere, 144));
  EXPECT_EQ(num_loops(), 3U);
  EXPECT_EQ(num_drops() - before, 3U);
}

TEST_P(LoopThroughTwoPeers, EndsAtTheFirstFragment) {
  Packet whole = outer(own_, 1001, first_, kDefaultMtu + kTransportOverhead);
  Packet first;
  if (v6()) {
    first = fragment(whole, 0, 1368);
  } else {
    first.assign(whole.begin(), whole.begin() + 20 + 1368);
    store_be16(&first[2], static_cast<std::uint16_t>(first.size()));
    store_be16(&first[6], 0x2000);
  }
  pair_.a.send(first);
  EXPECT_EQ(num_loops(), 1U);
}

// From another port, or from another host that happens to use ours.
TEST_P(LoopThroughTwoPeers, OthersDatagramsPass) {
  const std::uint64_t before = num_drops();
  pair_.a.send(outer(own_, 1009, first_, 144));
  pair_.a.send(outer(address(v6() ? "2001:db8::77" : "192.0.2.77"), 1001, first_, 144));
  EXPECT_EQ(num_drops(), before);
}

// TUN is in another namespace: what is ours there is no outer address.
TEST_P(LoopThroughTwoPeers, TheAddressesOfTheOuterSocketsCount) {
  HostRoutes routes;
  routes.own_addresses = {address(v6() ? "fd00::1" : "10.0.0.1")};
  routes.outer_addresses = {own_};
  pair_.a.device().set_host_routes(routes);
  const std::uint64_t before = num_drops();
  pair_.a.send(outer(routes.own_addresses[0], 1001, first_, 144));
  EXPECT_EQ(num_drops(), before);
  pair_.a.send(outer(own_, 1001, first_, 144));
  EXPECT_EQ(num_loops(), 1U);
}

INSTANTIATE_TEST_SUITE_P(Families, LoopThroughTwoPeers, ::testing::Bool());

}  // namespace
}  // namespace hawser::testing
