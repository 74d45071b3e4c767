// Settings that come one after another must end where they would have ended together.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/dataplane/pair.h"

namespace hawser::testing {
namespace {

std::size_t num_initiations(const std::vector<Pair::Sent>& all, int from) {
  return static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [&](const auto& sent) {
    return sent.from == from && sent.type() == MessageType::kInitiation;
  }));
}

// A peer of a's that is not b: nobody answers there.
DeviceChange silent_peer(std::optional<std::uint16_t> keepalive, bool with_endpoint) {
  DeviceChange change;
  change.peers.push_back(peer_change(make_private_key(5).derive_public(), {}));
  change.peers.back().persistent_keepalive = keepalive;
  if (with_endpoint) change.peers.back().endpoint = endpoint("192.0.2.5", 1005);
  return change;
}

TEST(LateSettings, APersistentKeepaliveBeginsWithTheEndpoint) {
  Pair pair;
  pair.a.apply(silent_peer(25, false));
  EXPECT_EQ(num_initiations(pair.run_cut_off(1s), 0), 0U);
  pair.a.apply(silent_peer(std::nullopt, true));
  EXPECT_EQ(num_initiations(pair.run_cut_off(1s), 0), 1U);
}

TEST(LateSettings, APersistentKeepaliveBeginsWithinItsIntervalOfThePrivateKey) {
  Pair pair;
  DeviceChange without_key;
  without_key.private_key.emplace();
  pair.a.apply(std::move(without_key));
  pair.a.apply(silent_peer(25, true));
  EXPECT_EQ(num_initiations(pair.run_cut_off(1s), 0), 0U);
  DeviceChange with_key;
  with_key.private_key = make_private_key(1);
  pair.a.apply(std::move(with_key));
  EXPECT_GE(num_initiations(pair.run_cut_off(25s), 0), 1U);
}

TEST(LateSettings, WhatWaitsForAHandshakeSurvivesAChangedPrivateKey) {
  Pair pair;
  pair.a.send(pair.from_a(1));
  pair.a.run_handshakes();
  pair.a.sent.clear();  // lost
  DeviceChange known;
  known.peers.push_back(
      peer_change(make_private_key(3).derive_public(), {prefix("10.0.0.1/32")}, pair.at_a));
  pair.b.apply(std::move(known));
  DeviceChange renewed;
  renewed.private_key = make_private_key(3);
  pair.a.apply(std::move(renewed));
  pair.run(1s);
  EXPECT_EQ(pair.b.to_tun.size(), 1U);
}

}  // namespace
}  // namespace hawser::testing
