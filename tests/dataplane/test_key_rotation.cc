// A peer that goes over from one static key to another: nothing is lost, and the old key is worth
// nothing once it is dropped.
#include <gtest/gtest.h>

#include "tests/dataplane/pair.h"

namespace hawser::testing {
namespace {

// b changes its key, a has b's two keys.
class KeyRotation : public ::testing::Test {
 protected:
  static PublicKey old_key() { return make_private_key(2).derive_public(); }
  static PublicKey new_key() { return make_private_key(5).derive_public(); }

  // What a's network file says of b, all of it; zero: no next key.
  void know_b_as(const PublicKey& present, const PublicKey& next) {
    DeviceChange change;
    change.replace_peers = true;
    PeerChange b =
        peer_change(present, {prefix("10.0.0.2/32"), prefix("fd00::2/128")}, std::nullopt);
    b.next_public_key = next;
    change.peers.push_back(std::move(b));
    pair_.a.apply(std::move(change));
  }
  void b_takes(std::uint32_t key) {
    DeviceChange change;
    change.private_key = make_private_key(key);
    pair_.b.apply(std::move(change));
  }
  // A packet in each direction, every 20 ms.
  void talk(Duration time) {
    for (Duration done{}; done < time; done += 20ms) {
      ++num_sent_;
      pair_.a.send(pair_.from_a(num_sent_));
      pair_.b.send(pair_.from_b(num_sent_));
      pair_.run(20ms);
    }
  }
  void expect_nothing_lost() {
    EXPECT_EQ(pair_.a.to_tun.size(), num_sent_);
    EXPECT_EQ(pair_.b.to_tun.size(), num_sent_);
  }
  std::uint64_t handshakes() { return pair_.a.device().counters().handshakes_completed; }
  PeerView b_at_a() { return std::move(pair_.a.view().peers.at(0)); }
  std::size_t num_peers() { return pair_.a.view().peers.size(); }

  Pair pair_;
  std::size_t num_sent_ = 0;
};

TEST_F(KeyRotation, NothingIsLostFromOneKeyToTheOther) {
  pair_.connect();
  talk(200ms);
  const std::uint64_t before = handshakes();
  know_b_as(old_key(), new_key());
  talk(200ms);
  EXPECT_EQ(handshakes(), before) << "to know the next key costs no session";
  EXPECT_FALSE(b_at_a().uses_next_key);
  b_takes(5);
  talk(200ms);
  EXPECT_GT(handshakes(), before);
  EXPECT_TRUE(b_at_a().uses_next_key);
  const std::uint64_t switched = handshakes();
  know_b_as(new_key(), {});
  talk(200ms);
  EXPECT_EQ(handshakes(), switched) << "the session of the key that stays goes on";
  EXPECT_EQ(b_at_a().public_key, new_key());
  EXPECT_FALSE(b_at_a().next_public_key.has_value());
  EXPECT_EQ(num_peers(), 1U);
  expect_nothing_lost();
}

TEST_F(KeyRotation, TheTwoKeysMayChangePlacesAndBack) {
  pair_.connect();
  know_b_as(old_key(), new_key());
  b_takes(5);
  talk(200ms);
  const std::uint64_t before = handshakes();
  know_b_as(new_key(), old_key());
  talk(100ms);
  // An unconfirmed reload is taken back.
  know_b_as(old_key(), new_key());
  talk(100ms);
  know_b_as(new_key(), {});
  talk(100ms);
  know_b_as(old_key(), new_key());
  talk(100ms);
  EXPECT_EQ(handshakes(), before);
  b_takes(2);
  talk(200ms);
  EXPECT_FALSE(b_at_a().uses_next_key);
  EXPECT_EQ(num_peers(), 1U);
  expect_nothing_lost();
}

TEST_F(KeyRotation, ADroppedKeyEndsTheSessionThatItMade) {
  pair_.connect();
  know_b_as(old_key(), new_key());
  know_b_as(new_key(), {});
  EXPECT_FALSE(b_at_a().has_session);
  pair_.b.to_tun.clear();
  pair_.b.send(pair_.from_b(7));
  pair_.run(20s);
  EXPECT_TRUE(pair_.a.to_tun.empty());
  EXPECT_GE(total_drops(pair_.a.device(), DropReason::kNoSession) +
                total_drops(pair_.a.device(), DropReason::kHandshakeRefused),
            1U);
  b_takes(5);
  pair_.b.send(pair_.from_b(8));
  pair_.run(20s);
  EXPECT_FALSE(pair_.a.to_tun.empty());
}

TEST_F(KeyRotation, ADroppedKeyEndsAlsoTheSessionBeforeTheLatest) {
  pair_.connect();
  know_b_as(old_key(), new_key());
  // Made under the old key, and still on its way when b has the new one.
  pair_.b.send(pair_.from_b(7));
  pair_.b.send(pair_.from_b(8));
  const std::vector<Datagram> held = std::exchange(pair_.b.sent, {});
  ASSERT_EQ(held.size(), 2U);
  b_takes(5);
  pair_.b.send(pair_.from_b(9));
  pair_.deliver();
  ASSERT_TRUE(b_at_a().uses_next_key);
  pair_.a.to_tun.clear();
  pair_.a.receive({held[0].bytes, pair_.at_b, 0});
  EXPECT_EQ(pair_.a.to_tun.size(), 1U) << "as long as the old key stays";
  know_b_as(new_key(), {});
  EXPECT_TRUE(b_at_a().has_session);
  pair_.a.to_tun.clear();
  pair_.a.receive({held[1].bytes, pair_.at_b, 0});
  EXPECT_TRUE(pair_.a.to_tun.empty());
  EXPECT_GE(total_drops(pair_.a.device(), DropReason::kNoSession), 1U);
  pair_.b.send(pair_.from_b(10));
  pair_.deliver();
  EXPECT_EQ(pair_.a.to_tun.size(), 1U);
}

// Nor the one before a session that is not confirmed yet.
TEST_F(KeyRotation, ADroppedKeyEndsItsSessionWhileTheOtherKeysWaits) {
  pair_.connect();
  know_b_as(old_key(), new_key());
  pair_.b.send(pair_.from_b(7));
  const std::vector<Datagram> held = std::exchange(pair_.b.sent, {});
  b_takes(5);
  pair_.b.send(pair_.from_b(8));
  pair_.b.run_handshakes();
  Pair::carry(pair_.b, pair_.a, pair_.at_b);
  pair_.a.run_handshakes();
  ASSERT_NE(pair_.b_at_a().sessions.next(), nullptr);
  know_b_as(new_key(), {});
  pair_.a.to_tun.clear();
  ASSERT_EQ(held.size(), 1U);
  pair_.a.receive({held[0].bytes, pair_.at_b, 0});
  EXPECT_TRUE(pair_.a.to_tun.empty());
  pair_.deliver();
  EXPECT_EQ(pair_.a.to_tun.size(), 1U) << "what the new key began goes on";
}

// `wg set` knows of one key only: the peer that has it, or a new one.
TEST_F(KeyRotation, AChangeOfOneKeyNeverTakesAPeersPresentKey) {
  pair_.connect();
  know_b_as(old_key(), new_key());
  for (const bool replace : {false, true}) {
    DeviceChange set;
    set.peers.push_back(peer_change(new_key(), {}));
    if (replace) set.peers.push_back(peer_change(old_key(), {prefix("10.0.0.2/32")}));
    set.replace_peers = replace;
    pair_.a.apply(std::move(set));
    EXPECT_EQ(num_peers(), 2U);
    EXPECT_EQ(b_at_a().public_key, old_key());
    EXPECT_FALSE(b_at_a().next_public_key.has_value()) << "a key is one peer's";
    EXPECT_TRUE(b_at_a().has_session);
    EXPECT_TRUE(DeviceInspector::state(pair_.a.device()).next_keys.empty());
    know_b_as(old_key(), new_key());
    EXPECT_EQ(num_peers(), 1U);
  }
}

// Where only the way is another, the key is the same as before.
TEST_F(KeyRotation, AnotherEndpointIsAskedUnderTheSameKey) {
  DeviceChange forget;
  forget.replace_peers = true;
  pair_.a.apply(std::move(forget));
  for (const bool other_way : {false, true}) {
    DeviceChange change;
    change.peers.push_back(peer_change(old_key(), {prefix("10.0.0.2/32")}, pair_.at_b));
    change.peers.back().next_public_key = new_key();
    if (!other_way) ++change.peers.back().endpoint->port;
    change.peers.back().tries_other_endpoint = other_way;
    pair_.a.apply(std::move(change));
    if (other_way) break;
    pair_.a.send(pair_.from_a(1));
    pair_.a.run_handshakes();
    EXPECT_EQ(std::exchange(pair_.a.sent, {}).size(), 1U) << "where nobody is";
    pair_.sleep(250ms);
  }
  pair_.run(200ms);
  EXPECT_EQ(pair_.b.to_tun.size(), 1U);
}

// a has no session, and does not know which of the two b has by now.
TEST_F(KeyRotation, WhoCallsTriesOneKeyAfterTheOther) {
  for (const std::uint32_t present : {2U, 5U}) {
    Pair fresh;
    const auto key = [](std::uint32_t number) { return make_private_key(number).derive_public(); };
    DeviceChange forget;
    forget.replace_peers = true;
    fresh.a.apply(std::move(forget));
    DeviceChange change;
    change.peers.push_back(peer_change(key(present), {prefix("10.0.0.2/32")}, fresh.at_b));
    change.peers.back().next_public_key = key(7 - present);
    fresh.a.apply(std::move(change));
    fresh.a.send(fresh.from_a(1));
    fresh.run(7s);
    EXPECT_EQ(fresh.b.to_tun.size(), 1U) << present;
    EXPECT_TRUE(DeviceInspector::state(fresh.a.device()).pending_indices.empty());
  }
}

TEST_F(KeyRotation, ANextKeyThatIsAnotherPeersIsPassedOver) {
  pair_.connect();
  const PublicKey third = make_private_key(6).derive_public();
  DeviceChange change;
  change.peers.push_back(peer_change(third, {}));
  pair_.a.apply(std::move(change));
  for (const PublicKey& taken : {third, old_key(), pair_.a.public_key()}) {
    DeviceChange mistake;
    mistake.peers.push_back(peer_change(old_key(), {}));
    mistake.peers.back().next_public_key = taken;
    pair_.a.apply(std::move(mistake));
    EXPECT_FALSE(b_at_a().next_public_key.has_value());
  }
  // Removed with both of its keys.
  know_b_as(old_key(), new_key());
  DeviceChange none;
  none.replace_peers = true;
  pair_.a.apply(std::move(none));
  EXPECT_EQ(num_peers(), 0U);
  EXPECT_TRUE(DeviceInspector::state(pair_.a.device()).next_keys.empty());
}

}  // namespace
}  // namespace hawser::testing
