// Configuration changes: transactions, no-ops, and what readers see meanwhile.
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <thread>

#include "tests/dataplane/pair.h"

namespace hawser::testing {
namespace {

PublicKey key(std::uint64_t seed) { return make_private_key(1000 + seed).derive_public(); }

Peer* owner_of(Node& node, const char* at) {
  return DeviceInspector::state(node.device()).allowed_ips.lookup(address(at)).value;
}

struct Alone : ::testing::Test {
  Alone() : node({}, make_private_key(1), 5) { node.set_now(kStart); }
  void put(std::uint64_t seed, const std::vector<Prefix>& allowed, bool replace = false) {
    DeviceChange change;
    change.peers.push_back(peer_change(key(seed), allowed));
    change.peers.back().replace_allowed_ips = replace;
    node.apply(std::move(change));
  }
  std::vector<Prefix> allowed_of(std::uint64_t seed) {
    for (const PeerView& peer : node.view().peers) {
      if (peer.public_key == key(seed)) return peer.allowed_ips;
    }
    return {};
  }
  Node node;
};

using Apply = Alone;

TEST_F(Apply, AllowedIpsMoveToWhoeverIsGivenThemLast) {
  put(1, {prefix("10.1.0.0/16"), prefix("10.2.0.0/16")});
  put(2, {prefix("10.1.0.0/16")});
  EXPECT_EQ(allowed_of(1), std::vector{prefix("10.2.0.0/16")});
  EXPECT_EQ(allowed_of(2), std::vector{prefix("10.1.0.0/16")});
  EXPECT_EQ(owner_of(node, "10.1.1.1")->public_key, key(2));
}

TEST_F(Apply, RemovingAnAllowedIpTouchesOnlyThisPeersOwn) {
  put(1, {prefix("10.1.0.0/16")});
  DeviceChange change;
  change.peers.push_back(peer_change(key(2), {}));
  change.peers.back().allowed_ips = {{prefix("10.1.0.0/16"), true}};
  node.apply(std::move(change));
  ASSERT_NE(owner_of(node, "10.1.1.1"), nullptr);
  DeviceChange own;
  own.peers.push_back(peer_change(key(1), {}));
  own.peers.back().allowed_ips = {{prefix("10.1.0.0/16"), true}};
  node.apply(std::move(own));
  EXPECT_EQ(owner_of(node, "10.1.1.1"), nullptr);
}

TEST_F(Apply, OneRequestAppliesInOrder) {
  DeviceChange change;
  change.peers.push_back(peer_change(key(1), {prefix("10.1.0.0/16")}));
  change.peers.push_back(peer_change(key(2), {prefix("10.1.0.0/16")}));
  PeerChange gone;
  gone.public_key = key(2);
  gone.remove = true;
  change.peers.push_back(std::move(gone));
  change.peers.push_back(peer_change(key(3), {prefix("10.3.0.0/16")}));
  node.apply(std::move(change));
  const DeviceView view = node.view();
  ASSERT_EQ(view.peers.size(), 2U);
  EXPECT_EQ(view.peers[0].public_key, key(1));
  EXPECT_EQ(view.peers[1].public_key, key(3));
  EXPECT_EQ(owner_of(node, "10.1.1.1"), nullptr);
}

TEST_F(Apply, ARemovedPeersAllowedIpsCanBeTakenInTheSameRequest) {
  put(1, {prefix("10.1.0.0/16")});
  DeviceChange change;
  PeerChange gone;
  gone.public_key = key(1);
  gone.remove = true;
  change.peers.push_back(std::move(gone));
  change.peers.push_back(peer_change(key(2), {prefix("10.1.0.0/16")}));
  node.apply(std::move(change));
  EXPECT_EQ(owner_of(node, "10.1.1.1")->public_key, key(2));
}

TEST_F(Apply, UpdateOnlyDoesNotCreate) {
  DeviceChange change;
  change.peers.push_back(peer_change(key(1), {prefix("10.1.0.0/16")}));
  change.peers.back().update_only = true;
  node.apply(std::move(change));
  EXPECT_TRUE(node.view().peers.empty());
  EXPECT_EQ(owner_of(node, "10.1.1.1"), nullptr);
}

TEST_F(Apply, ReplaceAllowedIpsLeavesExactlyWhatIsNamed) {
  put(1, {prefix("10.1.0.0/16"), prefix("10.2.0.0/16"), prefix("fd00::/64")});
  put(1, {prefix("10.2.0.0/16"), prefix("10.3.0.0/16")}, true);
  EXPECT_EQ(allowed_of(1), (std::vector{prefix("10.2.0.0/16"), prefix("10.3.0.0/16")}));
  put(1, {}, true);
  EXPECT_TRUE(allowed_of(1).empty());
  EXPECT_EQ(DeviceInspector::state(node.device()).allowed_ips.size(), 0U);
}

TEST_F(Apply, ReplacePeersKeepsTheNamedAndRemovesTheOthers) {
  put(1, {prefix("10.1.0.0/16")});
  put(2, {prefix("10.2.0.0/16")});
  DeviceChange change;
  change.replace_peers = true;
  change.peers.push_back(peer_change(key(2), {prefix("10.5.0.0/16")}));
  node.apply(std::move(change));
  const DeviceView view = node.view();
  ASSERT_EQ(view.peers.size(), 1U);
  EXPECT_EQ(view.peers[0].public_key, key(2));
  EXPECT_EQ(view.peers[0].allowed_ips, std::vector{prefix("10.5.0.0/16")});
}

TEST_F(Apply, AViewShowsWhatWasSet) {
  DeviceChange change;
  change.listen_port = 4711;
  change.fwmark = 7;
  change.peers.push_back(peer_change(key(1), {prefix("10.1.0.0/16")}, endpoint("192.0.2.9", 9)));
  change.peers.back().persistent_keepalive = 25;
  change.peers.back().preshared_key.emplace();
  change.peers.back().preshared_key->mutable_bytes()[3] = 3;
  node.apply(std::move(change));
  const DeviceView view = node.view();
  EXPECT_EQ(view.listen_port, 4711);
  EXPECT_EQ(view.fwmark, 7U);
  EXPECT_EQ(view.public_key, make_private_key(1).derive_public());
  ASSERT_EQ(view.peers.size(), 1U);
  EXPECT_EQ(view.peers[0].endpoint, endpoint("192.0.2.9", 9));
  EXPECT_EQ(view.peers[0].persistent_keepalive, 25);
  EXPECT_EQ(view.peers[0].preshared_key.bytes()[3], 3);
  EXPECT_FALSE(view.peers[0].has_session);
}

TEST(ApplyUnderTraffic, SettingTheSameAgainDisturbsNothing) {
  Pair pair;
  pair.connect();
  const Keypair* const session = pair.b_at_a().sessions.current();
  for (const bool replace : {false, true}) {
    DeviceChange change;
    change.private_key = make_private_key(1);
    change.replace_peers = replace;
    change.peers.push_back(peer_change(pair.b.public_key(),
                                       {prefix("10.0.0.2/32"), prefix("fd00::2/128")}, pair.at_b));
    change.peers.back().replace_allowed_ips = true;
    pair.a.apply(std::move(change));
    EXPECT_EQ(pair.b_at_a().sessions.current(), session);
    pair.a.send(pair.from_a(2));
    pair.deliver();
    EXPECT_EQ(pair.b.to_tun.size(), 1U);
    pair.b.to_tun.clear();
  }
}

TEST(ApplyUnderTraffic, AnUnchangedEndpointKeepsItsStickySource) {
  Pair pair;
  pair.at_b.local_address = address("192.0.2.1");
  pair.connect();
  Endpoint plain = pair.at_b;
  plain.forget_source();
  DeviceChange change;
  change.peers.push_back(peer_change(pair.b.public_key(), {}, plain));
  pair.a.apply(std::move(change));
  Endpoint at;
  ASSERT_TRUE(pair.b_at_a().endpoint.get(at));
  EXPECT_EQ(at.local_address, address("192.0.2.1"));
}

TEST(ApplyUnderTraffic, ARemovedPeerIsGoneAtOnceAndItsDropsStayOnRecord) {
  Pair pair;
  pair.connect();
  pair.b.send(pair.from_b(2));
  const Datagram late = pair.b.sent.at(0);
  pair.sleep(200s);
  pair.a.send(pair.from_a(3));  // staged: the session has expired
  DeviceChange change;
  PeerChange gone;
  gone.public_key = pair.b.public_key();
  gone.remove = true;
  change.peers.push_back(std::move(gone));
  pair.a.apply(std::move(change));
  EXPECT_EQ(total_drops(pair.a.device(), DropReason::kStagedExpired), 1U);
  EXPECT_EQ(DeviceInspector::state(pair.a.device()).sessions.size(), 0U);
  pair.a.receive({late.bytes, pair.at_b, 0});
  EXPECT_EQ(total_drops(pair.a.device(), DropReason::kNoSession), 1U);
  EXPECT_TRUE(pair.a.to_tun.empty());
  for (const Pair::Sent& sent : pair.run_cut_off(100s, 100ms)) EXPECT_EQ(sent.from, 1);
}

TEST(ApplyUnderTraffic, AnEndpointGivenLaterReleasesWhatIsStaged) {
  Pair pair;
  DeviceChange change;
  change.peers.push_back(peer_change(key(1), {prefix("10.8.0.0/16")}));
  pair.a.apply(std::move(change));
  // The peer's endpoint is unknown, so nothing is staged: it is answered into TUN.
  pair.a.send(make_packet(
      {.source = address("10.0.0.1"), .destination = address("10.8.0.1"), .payload_len = 20}));
  EXPECT_EQ(pair.a.to_tun.size(), 1U);
  EXPECT_TRUE(pair.a.sent.empty());
}

// An unchanged prefix is found at every moment, whatever a replace does around it.
TEST(ApplyUnderTraffic, UnchangedPrefixesAreNeverAbsentForAReader) {
  Node node({}, make_private_key(1), 5);
  node.set_now(kStart);
  DeviceState& state = DeviceInspector::state(node.device());
  const auto replace = [&](unsigned round) {
    DeviceChange change;
    change.replace_peers = round % 3 == 0;
    change.peers.push_back(peer_change(key(1), {prefix("10.1.0.0/16"), prefix("fd00:1::/64"),
                                                Prefix(address("10.200.0.0"), 16 + round % 16)}));
    change.peers.back().replace_allowed_ips = true;
    change.peers.push_back(peer_change(key(2 + round % 5), {prefix("10.3.0.0/16")}));
    node.apply(std::move(change));
  };
  replace(0);
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> absent{0};
  std::atomic<std::uint64_t> looked{0};
  std::thread reader([&] {
    QuiescentDomain::Reader section(state.domain);
    while (!stop.load()) {
      section.online();
      for (int i = 0; i < 20; ++i) {
        const Peer* const v4 = state.allowed_ips.lookup(address("10.1.2.3")).value;
        const Peer* const v6 = state.allowed_ips.lookup(address("fd00:1::5")).value;
        if (v4 == nullptr || v6 == nullptr || v4->public_key != key(1)) ++absent;
      }
      section.offline();
      ++looked;
    }
  });
  for (unsigned round = 1; round < 400 || looked.load() < 50; ++round) replace(round);
  stop = true;
  reader.join();
  EXPECT_EQ(absent.load(), 0U);
  node.run_handshakes();
}

TEST(ApplyBounds, MoreThanTheLimitOfPeersIsRefusedAsAWhole) {
  Node node({}, make_private_key(1), 5);
  node.set_now(kStart);
  DeviceChange change;
  change.listen_port = 99;
  change.peers.resize(kMaxPeers + 1);
  for (std::size_t i = 0; i < change.peers.size(); ++i) {
    change.peers[i].public_key.bytes[0] = static_cast<std::uint8_t>(i);
    change.peers[i].public_key.bytes[1] = static_cast<std::uint8_t>(i >> 8);
    change.peers[i].public_key.bytes[2] = static_cast<std::uint8_t>(i >> 16);
    change.peers[i].public_key.bytes[3] = 1;
  }
  const Status status = node.device().apply(std::move(change), kStart);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ENOSPC);
  EXPECT_TRUE(node.view().peers.empty());
  EXPECT_EQ(node.view().listen_port, 0);
}

}  // namespace
}  // namespace hawser::testing
