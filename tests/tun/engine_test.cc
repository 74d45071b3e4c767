// What both engines promise (dataplane/engine.h), shown on both.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

#include "tests/tun/namespace.h"
#include "tests/tun/node.h"
#include "tun/kernel_engine.h"
#include "tun/udp_sockets.h"

namespace hawser::test {
namespace {

class EngineTest : public ::testing::TestWithParam<EngineKind> {};

INSTANTIATE_TEST_SUITE_P(Both, EngineTest,
                         ::testing::Values(EngineKind::kIoUring, EngineKind::kEpoll),
                         [](const auto& param) { return std::string(to_string(param.param)); });

TEST_P(EngineTest, DatagramArrivesWithItsAddressesAndTrafficClass) {
  in_namespace([&] {
    Node a(GetParam());
    Node b(GetParam());
    for (const char* const address : {"127.0.0.1", "::1"}) {
      b.received.clear();
      a.send(endpoint(address, b.group.port), pattern(100), 0, 0xb9);
      ASSERT_TRUE(b.wait_for(1));
      const Received& got = b.received[0];
      EXPECT_EQ(got.bytes, pattern(100));
      EXPECT_EQ(got.train.segment_len, 100U);
      EXPECT_EQ(got.train.traffic_class, 0xb9);
      EXPECT_TRUE(got.train.remote.same_remote(endpoint(address, a.group.port)));
      EXPECT_EQ(got.train.remote.local_address.to_string(), address);
      EXPECT_EQ(got.train.remote.local_ifindex, 1U);  // lo
      EXPECT_TRUE(a.outcomes.empty());
    }
  });
}

TEST_P(EngineTest, EmptyAndLargestDatagramsArrive) {
  in_namespace([&] {
    Node a(GetParam());
    Node b(GetParam());
    const Endpoint to = endpoint("127.0.0.1", b.group.port);
    a.send(to, {});
    a.send(to, pattern(65507));
    a.send(to, {});
    a.send(to, pattern(9));
    ASSERT_TRUE(b.wait_for(4));
    EXPECT_EQ(b.received[0].bytes.size(), 0U);
    EXPECT_EQ(b.received[1].bytes, pattern(65507));
    EXPECT_EQ(b.received[2].bytes.size(), 0U);
    EXPECT_EQ(b.received[3].bytes, pattern(9));
    EXPECT_TRUE(a.outcomes.empty());
  });
}

TEST_P(EngineTest, TrainArrivesAsTrainWithShorterLastSegment) {
  in_namespace([&] {
    Node a(GetParam());
    Node b(GetParam());
    for (const char* const address : {"127.0.0.1", "::1"}) {
      b.received.clear();
      a.send(endpoint(address, b.group.port), pattern(20 * 1400 + 77), 1400, 2);
      ASSERT_TRUE(b.wait_for(1));
      EXPECT_EQ(b.received[0].train.segment_len, 1400U);
      EXPECT_EQ(b.received[0].train.traffic_class, 2);
      EXPECT_EQ(b.received[0].bytes, pattern(20 * 1400 + 77));
      EXPECT_EQ(b.received[0].train.remote.local_address.to_string(), address);
    }
  });
}

TEST_P(EngineTest, AQueueOfOneFamilyDoesNotStarveTheOther) {
  in_namespace([&] {
    Node a(GetParam());
    Node b(GetParam());
    constexpr std::size_t kLen = 60'000;
    constexpr int kQueue = 40;  // more than a wait delivers of such
    for (const bool v4_is_long : {true, false}) {
      const Endpoint crowded = endpoint(v4_is_long ? "127.0.0.1" : "::1", b.group.port);
      const Endpoint other = endpoint(v4_is_long ? "::1" : "127.0.0.1", b.group.port);
      b.received.clear();
      for (int i = 0; i < kQueue; ++i) a.send(crowded, pattern(kLen));
      ASSERT_TRUE(b.wait_for(kQueue));
      for (int round = 0; round < 4; ++round) {
        b.received.clear();
        for (int i = 0; i < kQueue; ++i) a.send(crowded, pattern(kLen));
        a.send(other, pattern(10));
        const auto has_other = [&] {
          return std::any_of(b.received.begin(), b.received.end(),
                             [](const Received& r) { return r.bytes.size() == 10; });
        };
        for (int i = 0; i < 3 && !has_other(); ++i) b.wait(5s);
        EXPECT_TRUE(has_other());
        ASSERT_TRUE(b.wait_for(kQueue + 1));
      }
    }
  });
}

TEST_P(EngineTest, MixedBatchKeepsOrderWithinADestination) {
  in_namespace([&] {
    Node a(GetParam());
    Node b(GetParam());
    Node c(GetParam());
    constexpr int kNum = 200;  // more than one system call takes
    std::vector<std::vector<std::uint8_t>> all;
    for (int i = 0; i < kNum; ++i) all.push_back(pattern(40, static_cast<std::uint8_t>(i)));
    for (int i = 0; i < kNum; ++i) {
      Node& to = i % 3 == 0 ? b : c;
      a.out.add_udp(a.queue(endpoint(i % 3 == 0 ? "127.0.0.1" : "::1", to.group.port),
                            all[static_cast<std::size_t>(i)], i % 5 == 0 ? 10 : 0));
    }
    a.submit();
    EXPECT_TRUE(a.outcomes.empty());
    std::vector<std::uint8_t> for_b;
    std::vector<std::uint8_t> for_c;
    for (int i = 0; i < kNum; ++i) {
      std::vector<std::uint8_t>& expected = i % 3 == 0 ? for_b : for_c;
      const auto& bytes = all[static_cast<std::size_t>(i)];
      expected.insert(expected.end(), bytes.begin(), bytes.end());
    }
    ASSERT_TRUE(b.wait_for_bytes(for_b.size()));
    ASSERT_TRUE(c.wait_for_bytes(for_c.size()));
    EXPECT_EQ(b.received_bytes(), for_b);
    EXPECT_EQ(c.received_bytes(), for_c);
  });
}

TEST_P(EngineTest, ReplyLeavesFromTheAddressThatWasSpokenTo) {
  in_namespace([&] {
    ASSERT_TRUE(run("ip address add fd00::2/128 dev lo nodad"));
    ASSERT_TRUE(wait_until_reachable("fd00::2"));
    Node a(GetParam());
    Node b(GetParam());
    for (const char* const address : {"127.0.0.77", "fd00::2"}) {
      SCOPED_TRACE(address);
      a.received.clear();
      b.received.clear();
      a.send(endpoint(address, b.group.port), pattern(10));
      EXPECT_TRUE(a.outcomes.empty()) << a.outcomes[0].second.error;
      ASSERT_TRUE(b.wait_for(1));
      b.send(b.received[0].train.remote, pattern(11));
      ASSERT_TRUE(a.wait_for(1));
      EXPECT_EQ(a.received[0].train.remote.address.to_string(), address);
      EXPECT_TRUE(b.outcomes.empty());
    }
  });
}

TEST_P(EngineTest, SourceThatIsGoneIsReportedAndTheSendGoesOutWithout) {
  in_namespace([&] {
    Node a(GetParam());
    Node b(GetParam());
    for (const bool train : {false, true}) {
      for (const auto& [address, gone] :
           {std::pair("127.0.0.1", "192.0.2.77"), std::pair("::1", "fd00::77")}) {
        a.outcomes.clear();
        b.received.clear();
        Endpoint to = endpoint(address, b.group.port);
        to.local_address = *IpAddress::parse(gone);
        to.local_ifindex = 1;
        a.send(to, pattern(1000), train ? 300 : 0);
        ASSERT_TRUE(b.wait_for(1));
        EXPECT_EQ(b.received[0].bytes, pattern(1000));
        EXPECT_EQ(b.received[0].train.segment_len, train ? 300U : 1000U);
        ASSERT_EQ(a.outcomes.size(), 1U);
        EXPECT_TRUE(a.outcomes[0].second.source_refused);
        EXPECT_FALSE(a.outcomes[0].second.gso_refused);
        EXPECT_EQ(a.outcomes[0].second.error, 0);
      }
    }
  });
}

TEST_P(EngineTest, SegmentsLargerThanTheMtuGoOutAsFragmentedSingles) {
  in_namespace([&] {
    ASSERT_TRUE(run("ip link set lo mtu 1500"));
    Node a(GetParam());
    Node b(GetParam());
    for (const char* const address : {"127.0.0.1", "::1"}) {
      for (const bool sticky : {false, true}) {
        a.outcomes.clear();
        b.received.clear();
        Endpoint to = endpoint(address, b.group.port);
        if (sticky) to.local_address = to.address;
        a.send(to, pattern(4 * 1600 + 5), 1600);
        ASSERT_TRUE(b.wait_for_bytes(4 * 1600 + 5));
        EXPECT_EQ(b.received_bytes(), pattern(4 * 1600 + 5));
        EXPECT_EQ(b.received.size(), 5U);
        ASSERT_EQ(a.outcomes.size(), 1U);
        EXPECT_TRUE(a.outcomes[0].second.gso_refused);
        EXPECT_FALSE(a.outcomes[0].second.source_refused);
        EXPECT_EQ(a.outcomes[0].second.error, 0);
      }
    }
  });
}

TEST_P(EngineTest, DestinationKnownToRefuseGsoGetsSinglesAtOnce) {
  in_namespace([&] {
    Node a(GetParam());
    Node b(GetParam());
    std::vector<std::uint8_t> before = pattern(50, 9);
    std::vector<std::uint8_t> bytes = pattern(64 * 500 - 3);
    const Endpoint to = endpoint("127.0.0.1", b.group.port);
    a.out.add_udp(a.queue(to, before));
    UdpSend send = a.queue(to, bytes, 500);
    send.gso_refused = true;
    a.out.add_udp(send);
    a.out.add_udp(a.queue(to, before));
    a.submit();
    ASSERT_TRUE(b.wait_for(66));
    EXPECT_EQ(b.received.front().bytes, before);
    EXPECT_EQ(b.received.back().bytes, before);
    EXPECT_EQ(b.received[1].bytes.size(), 500U);
    EXPECT_EQ(b.received[64].bytes.size(), 497U);
    EXPECT_TRUE(a.outcomes.empty());
  });
}

TEST_P(EngineTest, SendOverAnAbsentFamilyIsAnErrorNotACrash) {
  in_namespace([&] {
    Node a(GetParam());
    a.engine->set_udp_sockets(a.group.workers[0].v4.get(), -1);
    a.send(endpoint("::1", 9), pattern(10));
    ASSERT_EQ(a.outcomes.size(), 1U);
    EXPECT_EQ(a.outcomes[0].second.error, EAFNOSUPPORT);
  });
}

TEST_P(EngineTest, UnreachableDestinationIsReported) {
  in_namespace([&] {
    Node a(GetParam());
    Endpoint to = endpoint("203.0.113.1", 9);
    to.local_address = *IpAddress::parse("127.0.0.1");
    a.send(to, pattern(10));
    ASSERT_EQ(a.outcomes.size(), 1U);
    EXPECT_EQ(a.outcomes[0].second.error, ENETUNREACH);
    EXPECT_FALSE(a.outcomes[0].second.source_refused);
  });
}

TEST_P(EngineTest, FullSocketIsWaitedForWithinBoundsThenReported) {
  in_namespace([&] {
    // Packets for a neighbour that does not answer wait in its queue, and count as sent by us.
    ASSERT_TRUE(
        run("ip link add near type veth peer name far && ip link set near up && "
            "ip link set far up && ip address add 198.51.100.1/24 dev near"));
    Node a(GetParam());
    const int small = 20000;
    setsockopt(a.group.workers[0].v4.get(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    std::vector<std::uint8_t> bytes = pattern(1000);
    for (int i = 0; i < 100; ++i) {
      a.out.add_udp(a.queue(endpoint("198.51.100.2", 9), bytes));
    }
    a.submit();
    ASSERT_GT(a.outcomes.size(), 10U);
    for (const auto& [send, outcome] : a.outcomes) EXPECT_EQ(outcome.error, EAGAIN);
  });
}

TEST_P(EngineTest, ARestIsEndedByAWakeAloneAndWhatArrivedIsThereAfterIt) {
  in_namespace([&] {
    Node a(GetParam());
    Node b(GetParam());
    b.wait(Duration::zero());  // receives are armed
    a.send(endpoint("127.0.0.1", b.group.port), pattern(7));
    const auto begin = std::chrono::steady_clock::now();
    b.engine->rest(20ms);
    EXPECT_GE(std::chrono::steady_clock::now() - begin, 20ms) << "a datagram ends no rest";
    ASSERT_TRUE(b.wait_for(1));
    EXPECT_EQ(b.received[0].bytes, pattern(7));

    b.engine->wake();
    b.engine->rest(1h);
    b.engine->wait(b.in, 1h);  // the wake is still to be seen
    std::thread waker([&] { b.engine->wake(); });
    b.engine->rest(1h);
    waker.join();
  });
}

TEST_P(EngineTest, WakeEndsAWaitAndIsNotForgottenBefore) {
  in_namespace([&] {
    Node a(GetParam());
    a.engine->wake();
    a.engine->wake();
    EXPECT_EQ(a.wait(1h), 0U);
    std::thread other([&] {
      std::this_thread::sleep_for(20ms);
      a.engine->wake();
    });
    EXPECT_EQ(a.wait(1h), 0U);
    other.join();
    a.engine->wake();
    EXPECT_EQ(a.wait(Duration::max()), 0U);
    EXPECT_EQ(a.wait(0ms), 0U);
  });
}

TEST_P(EngineTest, WaitLastsAsLongAsItWasToldWhateverWasArmedBefore) {
  in_namespace([&] {
    Node a(GetParam());
    Node b(GetParam());
    const auto timed = [&](Duration timeout) {
      const auto before = std::chrono::steady_clock::now();
      a.wait(timeout);
      return std::chrono::steady_clock::now() - before;
    };
    EXPECT_GE(timed(30ms), 29ms);
    // A deadline left over from a wait that data ended: earlier and later than the next one's.
    for (const Duration leftover : {Duration(20ms), Duration(1h)}) {
      b.send(endpoint("127.0.0.1", a.group.port), pattern(1));
      a.wait(leftover);
      EXPECT_GE(timed(60ms), 59ms);
    }
  });
}

TEST_P(EngineTest, FloodWhileNobodyWaitsLeavesTheEngineWhole) {
  in_namespace([&] {
    Node a(GetParam());
    Node b(GetParam());
    b.wait(0ms);
    const Endpoint to4 = endpoint("127.0.0.1", b.group.port);
    const Endpoint to6 = endpoint("::1", b.group.port);
    std::vector<std::uint8_t> bytes = pattern(120);
    for (int i = 0; i < 100; ++i) {
      for (int j = 0; j < 50; ++j) {
        a.out.add_udp(a.queue(to4, bytes));
        a.out.add_udp(a.queue(to6, bytes));
      }
      a.submit();
    }
    std::size_t num = 0;
    for (std::size_t got = 1; got > 0; num += got) {
      got = b.wait(50ms);
      EXPECT_LE(b.in.trains.size(), kMaxTrainsPerBatch);
    }
    EXPECT_GT(num, 1000U);
    b.received.clear();
    a.send(to4, pattern(20 * 1000), 1000);
    a.send(to6, pattern(30));
    ASSERT_TRUE(b.wait_for_bytes(20 * 1000 + 30));
    EXPECT_EQ(b.received.size(), 2U);
    EXPECT_EQ(b.engine->counters().truncated, 0U);
  });
}

TEST_P(EngineTest, BatchStaysIntactUntilTheNextWait) {
  in_namespace([&] {
    Node a(GetParam());
    Node b(GetParam());
    const Endpoint to = endpoint("127.0.0.1", b.group.port);
    for (int i = 0; i < 40; ++i) a.send(to, pattern(3000, static_cast<std::uint8_t>(i)));
    b.engine->wait(b.in, 1s);
    const std::size_t num = b.in.trains.size();
    ASSERT_GT(num, 0U);
    // More than all the buffers, and a submit, between the batch and its use.
    for (int i = 0; i < 400; ++i) a.send(to, pattern(3000, 99));
    b.send(endpoint("127.0.0.1", a.group.port), pattern(5));
    for (std::size_t i = 0; i < num; ++i) {
      const ReceivedTrain& train = b.in.trains[i];
      EXPECT_EQ(std::vector<std::uint8_t>(train.data, train.data + train.len),
                pattern(3000, static_cast<std::uint8_t>(i)));
    }
  });
}

TEST_P(EngineTest, SocketsAreExchangedUnderTraffic) {
  in_namespace([&] {
    Node a(GetParam());
    std::atomic<std::uint16_t> port{a.group.port};
    std::atomic<bool> stop{false};
    // Shares the namespace: a thread inherits it.
    std::thread flood([&] {
      Node b(GetParam());
      while (!stop.load()) {
        b.send(endpoint("127.0.0.1", port.load()), pattern(500));
        b.send(endpoint("::1", port.load()), pattern(5000), 500);
      }
    });
    for (int i = 0; i < 30; ++i) {
      for (int j = 0; j < 5; ++j) a.wait(5ms);
      Result<UdpSocketGroup> next = open_udp_sockets(1, 0, 0);
      ASSERT_TRUE(next.ok());
      a.engine->set_udp_sockets(next->workers[0].v4.get(), next->workers[0].v6.get());
      const std::uint16_t old_port = a.group.port;
      port = next->port;
      a.group = std::move(*next);
      // The old port is free at once: nothing holds the closed sockets.
      const Result<UdpSocketGroup> again = open_udp_sockets(1, old_port, 0);
      EXPECT_TRUE(again.ok()) << again.error().message;
      a.received.clear();
      EXPECT_TRUE(a.wait_for(1));
    }
    stop = true;
    flood.join();
    a.received.clear();
    for (int i = 0; i < 3000 && a.wait(5ms) > 0; ++i) continue;
  });
}

TEST_P(EngineTest, SendOnlyEngineLeavesDatagramsToOthers) {
  in_namespace([&] {
    Node a(GetParam(), -1, false);
    Node b(GetParam());
    a.send(endpoint("127.0.0.1", b.group.port), pattern(10));
    ASSERT_TRUE(b.wait_for(1));
    b.send(b.received[0].train.remote, pattern(11));
    EXPECT_EQ(a.wait(20ms), 0U);
    char byte = 0;
    EXPECT_EQ(recv(a.group.workers[0].v4.get(), &byte, 1, MSG_TRUNC), 11);
    a.engine->wake();
    EXPECT_EQ(a.wait(1h), 0U);
  });
}

TEST_P(EngineTest, EngineMadeOnOneThreadRunsOnAnotherAndLeavesNothingBehind) {
  in_namespace([&] {
    const std::size_t before = num_open_fds();
    for (int i = 0; i < 20; ++i) {
      Node a(GetParam());
      const std::uint16_t port = a.group.port;
      const Endpoint self = endpoint("127.0.0.1", port);
      std::thread worker([&] {
        a.send(self, pattern(10));
        EXPECT_TRUE(a.wait_for(1));
      });
      worker.join();
      if (i % 2 == 0) continue;
      a.engine.reset();
      a.group = UdpSocketGroup{};
    }
    EXPECT_EQ(num_open_fds(), before);
  });
}

}  // namespace
}  // namespace hawser::test
