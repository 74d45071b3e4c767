// Sources that nobody beyond a router has, from a peer whose allowed IPs cover everything.
#include <gtest/gtest.h>

#include "tests/dataplane/hub.h"

namespace hawser::testing {
namespace {

// The hub's peer a is an exit node: it may speak as everybody.
class ImpossibleSource : public ::testing::Test {
 protected:
  explicit ImpossibleSource(ForwardMode forward = ForwardMode::kDirect)
      : net_(Hub::with(forward, true)) {
    DeviceChange change;
    change.peers.push_back(peer_change(net_.a.public_key(), {prefix("0.0.0.0/0"), prefix("::/0")}));
    net_.hub.apply(std::move(change));
    HostRoutes routes;
    routes.own_addresses = {address("198.51.100.1"), address("2001:db8::1")};
    net_.hub.device().set_host_routes(routes);
  }

  enum class Fate { kTaken, kRelayed, kImpossible, kNeither };
  Fate send(const char* source, const char* destination) {
    net_.hub.to_tun.clear();
    net_.b.to_tun.clear();
    const std::uint64_t before = num_impossible();
    net_.a.send(make_packet(
        {.source = address(source), .destination = address(destination), .payload_len = 64}));
    net_.deliver();
    if (num_impossible() == before + 1 && net_.hub.to_tun.empty()) return Fate::kImpossible;
    if (!net_.hub.to_tun.empty()) return Fate::kTaken;
    return net_.b.to_tun.empty() ? Fate::kNeither : Fate::kRelayed;
  }
  std::uint64_t num_impossible() {
    return total_drops(net_.hub.device(), DropReason::kImpossibleSource);
  }

  Hub net_;
};

constexpr const char* kImpossibleV4[] = {"10.0.0.1",  "198.51.100.1", "127.0.0.1",
                                         "224.0.0.5", "240.0.0.1",    "0.1.2.3",
                                         "0.0.0.1",   "250.1.2.3",    "255.255.255.255"};
constexpr const char* kImpossibleV6[] = {"fd00::1", "2001:db8::1", "::1", "ff02::1", "ff0e::1"};

TEST_F(ImpossibleSource, IsRefusedWhereverThePacketIsBoundFor) {
  for (const char* const source : kImpossibleV4) {
    EXPECT_EQ(send(source, "10.0.0.3"), Fate::kImpossible) << source;
    EXPECT_EQ(send(source, "10.0.0.1"), Fate::kImpossible) << source;
    EXPECT_EQ(send(source, "224.0.0.5"), Fate::kImpossible) << source;
  }
  for (const char* const source : kImpossibleV6) {
    EXPECT_EQ(send(source, "fd00::3"), Fate::kImpossible) << source;
    EXPECT_EQ(send(source, "fd00::1"), Fate::kImpossible) << source;
    EXPECT_EQ(send(source, "ff02::5"), Fate::kImpossible) << source;
  }
  EXPECT_EQ(total_drops(net_.hub.device(), DropReason::kSourceNotAllowed), 0U);
  EXPECT_EQ(send("8.8.8.8", "10.0.0.3"), Fate::kRelayed);
  EXPECT_EQ(send("2a00::1", "fd00::3"), Fate::kRelayed);
}

// Routing daemons speak from link-local addresses; that is this link's affair.
TEST_F(ImpossibleSource, LinkLocalAndUnspecifiedComeToUsAndNoFurther) {
  EXPECT_EQ(send("fe80::9", "fe80::1"), Fate::kTaken);
  EXPECT_EQ(send("fe80::9", "ff02::5"), Fate::kTaken);
  EXPECT_EQ(send("fe80::9", "fd00::1"), Fate::kTaken);
  EXPECT_EQ(send("fe80::9", "fd00::3"), Fate::kImpossible);
  EXPECT_EQ(send("169.254.7.7", "224.0.0.5"), Fate::kTaken);
  EXPECT_EQ(send("169.254.7.7", "10.0.0.3"), Fate::kImpossible);
  EXPECT_EQ(send("::", "ff02::16"), Fate::kTaken);
  EXPECT_EQ(send("::", "fd00::1"), Fate::kImpossible);
  EXPECT_EQ(send("::", "fd00::3"), Fate::kImpossible);
  EXPECT_EQ(send("0.0.0.0", "10.0.0.1"), Fate::kImpossible);
  EXPECT_EQ(send("0.0.0.0", "10.0.0.3"), Fate::kImpossible);
}

TEST_F(ImpossibleSource, IsJudgedPacketByPacketWithinOneRun) {
  std::vector<Packet> packets;
  for (const char* const source : {"8.8.8.8", "10.0.0.1", "8.8.8.8", "127.0.0.1", "8.8.8.8"}) {
    packets.push_back(make_packet(
        {.source = address(source), .destination = address("10.0.0.3"), .payload_len = 64}));
  }
  net_.a.send(packets);
  net_.deliver();
  EXPECT_EQ(net_.b.to_tun.size(), 3U);
  EXPECT_EQ(num_impossible(), 2U);
}

// The host's own filter knows most of them, but not an IPv6 address of its own.
class ImpossibleSourceInKernelMode : public ImpossibleSource {
 protected:
  ImpossibleSourceInKernelMode() : ImpossibleSource(ForwardMode::kKernel) {}
};

TEST_F(ImpossibleSourceInKernelMode, IsRefusedToo) {
  for (const char* const source : kImpossibleV4) {
    EXPECT_EQ(send(source, "10.0.0.3"), Fate::kImpossible) << source;
  }
  for (const char* const source : kImpossibleV6) {
    EXPECT_EQ(send(source, "fd00::3"), Fate::kImpossible) << source;
  }
  EXPECT_EQ(send("fe80::9", "fe80::1"), Fate::kTaken);
}

// There everything goes to the host, which would pass it on.
TEST_F(ImpossibleSourceInKernelMode, LinkLocalComesToUsAndNoFurther) {
  EXPECT_EQ(send("169.254.7.7", "10.0.0.1"), Fate::kTaken);
  EXPECT_EQ(send("169.254.7.7", "224.0.0.5"), Fate::kTaken);
  EXPECT_EQ(send("169.254.7.7", "10.0.0.3"), Fate::kImpossible);
  EXPECT_EQ(send("169.254.7.7", "8.8.8.8"), Fate::kImpossible);
  EXPECT_EQ(send("fe80::9", "fd00::1"), Fate::kTaken);
  EXPECT_EQ(send("fe80::9", "fd00::3"), Fate::kImpossible);
  EXPECT_EQ(send("fe80::9", "2a00::1"), Fate::kImpossible);
}

// What is not even allowed stays what it was.
TEST(ImpossibleSourceFromANarrowPeer, IsASourceThatIsNotAllowed) {
  Hub net;
  net.a.send(make_packet(
      {.source = address("127.0.0.1"), .destination = address("10.0.0.3"), .payload_len = 64}));
  net.deliver();
  EXPECT_EQ(total_drops(net.hub.device(), DropReason::kSourceNotAllowed), 1U);
  EXPECT_EQ(total_drops(net.hub.device(), DropReason::kImpossibleSource), 0U);
}

// The peers that an accept rule names are gone: a default route of another one does not make it
// their heir.
TEST_F(ImpossibleSource, OfWhoIsGoneNobodyElseSpeaks) {
  EXPECT_EQ(send("fd77::1", "fd00::3"), Fate::kRelayed);
  DeviceChange change;
  Overlay overlay;
  overlay.accepts.push_back({prefix("fd77::/64"), {make_private_key(99).derive_public()}});
  change.overlay = std::move(overlay);
  net_.hub.apply(std::move(change));
  EXPECT_EQ(send("fd77::1", "fd00::3"), Fate::kNeither);
  EXPECT_EQ(total_drops(net_.hub.device(), DropReason::kSourceNotAllowed), 1U);
  EXPECT_EQ(send("fd78::1", "fd00::3"), Fate::kRelayed);
}

}  // namespace
}  // namespace hawser::testing
