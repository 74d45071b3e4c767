// Five hosts of one network, started in every order.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "tests/ctl/virtual_network.h"

namespace hawser::testing {
namespace {

using Order = std::array<std::size_t, 5>;

std::string in_words(const Order& order) {
  std::string text;
  for (const std::size_t host : order) text += std::to_string(host) + ' ';
  return text;
}

void start_in_every_order(Duration pause) {
  Order order = {0, 1, 2, 3, 4};
  int num_orders = 0;
  do {
    SCOPED_TRACE(in_words(order));
    VirtualNetwork network;
    for (const std::size_t host : order) {
      network.start(host);
      network.run(pause);
    }
    network.run(kConnected);
    EXPECT_THAT(network.unanswered_pings(), ::testing::IsEmpty());
    for (const auto& host : network.hosts) {
      for (const PeerView& peer : host->node().view().peers) {
        EXPECT_TRUE(peer.has_session && peer.reachable) << host->plan().host;
      }
    }
    ++num_orders;
  } while (!::testing::Test::HasFailure() && std::next_permutation(order.begin(), order.end()));
  EXPECT_EQ(num_orders, 120);
}

TEST(StartOrder, AnyOf120ConnectsAllPairs) { start_in_every_order(700ms); }

TEST(StartOrder, AnyOf120ConnectsAllPairsAlsoWhenTheLastOnesAreLate) { start_in_every_order(7s); }

// Two hosts that are alone with each other do not wait for the rest.
TEST(StartOrder, WhoIsThereReachesEachOther) {
  for (std::size_t controller : {0U, 1U}) {
    for (std::size_t peer : {2U, 3U, 4U}) {
      VirtualNetwork network;
      network.start(peer);
      network.run(3s);
      network.start(controller);
      network.run(kConnected);
      EXPECT_THAT(network.unanswered_pings(), ::testing::IsEmpty()) << controller << ' ' << peer;
    }
  }
}

}  // namespace
}  // namespace hawser::testing
