// More peers at once than one batch of the handshake thread holds.
#include <gtest/gtest.h>

#include "base/wire.h"
#include "tests/dataplane/pair.h"

namespace hawser::testing {
namespace {

constexpr std::uint32_t kCrowd = kMaxSendsPerBatch + 500;

// Public keys need not belong to anybody: nothing answers.
DeviceChange crowd() {
  DeviceChange change;
  for (std::uint32_t i = 1; i <= kCrowd; ++i) {
    PublicKey key;
    store_le32(key.bytes.data(), 1000 + i);
    change.peers.push_back(peer_change(key, {}, endpoint("192.0.2.5", 1005)));
    change.peers.back().persistent_keepalive = 25;
  }
  return change;
}

TEST(Crowd, EveryPeersInitiationGoesOutAtOnce) {
  Node node({}, make_private_key(1), 11);
  node.set_now(kStart);
  node.apply(crowd());
  node.run_handshakes();
  EXPECT_EQ(node.sent.size(), kCrowd);
  EXPECT_EQ(total_drops(node.device()), 0U);
}

TEST(Crowd, RetriesOfEveryPeerGoOut) {
  Node node({}, make_private_key(1), 11);
  node.set_now(kStart);
  node.apply(crowd());
  node.run_handshakes();
  node.sent.clear();
  node.set_now(later(kStart, kRekeyTimeout + kMaxTimerJitter));
  node.run_handshakes();
  EXPECT_EQ(node.sent.size(), kCrowd);
  EXPECT_EQ(total_drops(node.device()), 0U);
}

}  // namespace
}  // namespace hawser::testing
