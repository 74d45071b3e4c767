// Our own outer packets that a route leads back into TUN, in pieces.
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

}  // namespace
}  // namespace hawser::testing
