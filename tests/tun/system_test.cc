// The small pieces: clock, randomness, virtio-net headers, control data.
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <chrono>
#include <ctime>
#include <set>
#include <thread>
#include <vector>

#include "tun/control_message.h"
#include "tun/receive_buffers.h"
#include "tun/socket_address.h"
#include "tun/system_clock.h"
#include "tun/system_random.h"
#include "tun/vnet_header.h"

namespace hawser::test {
namespace {

TEST(SystemClockTest, ReadsBootTimeAndWallTime) {
  SystemClock clock;
  const Now first = clock.now();
  const Now second = clock.now();
  EXPECT_LE(first.boot, second.boot);
  timespec boot{};
  clock_gettime(CLOCK_BOOTTIME, &boot);
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(second.boot.time_since_epoch());
  EXPECT_NEAR(static_cast<double>(seconds.count()), static_cast<double>(boot.tv_sec), 2);
  EXPECT_NEAR(static_cast<double>(second.wall.seconds), static_cast<double>(time(nullptr)), 2);
  EXPECT_LT(second.wall.nanoseconds, 1'000'000'000U);
}

TEST(SystemRandomTest, ManyThreadsGetDifferentBytes) {
  SystemRandom random;
  constexpr std::size_t kNum = 4;
  std::array<std::vector<std::uint8_t>, kNum> drawn;
  std::vector<std::thread> threads;
  for (std::vector<std::uint8_t>& bytes : drawn) {
    threads.emplace_back([&] {
      bytes.resize(1000);
      random.fill(bytes);
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::set<std::vector<std::uint8_t>> different(drawn.begin(), drawn.end());
  EXPECT_EQ(different.size(), kNum);
  random.fill({});
}

TEST(VnetHeaderTest, AKindThatWeDidNotAskForIsNotALonePacket) {
  for (unsigned type = 0; type < 256; ++type) {
    std::array<std::uint8_t, kVnetHeaderLen> raw{};
    raw[1] = static_cast<std::uint8_t>(type);
    const bool is_known = type == 0 || ((type & 0x7f) == 1) || ((type & 0x7f) == 4) ||
                          ((type & 0x7f) == 5);  // VIRTIO_NET_HDR_GSO_ECN may stand beside it
    const TunOffload read = read_vnet_header(raw);
    EXPECT_EQ(read.gso == TunOffload::Gso::kUnknown, !is_known) << type;
    EXPECT_EQ(read.gso == TunOffload::Gso::kNone, type == 0) << type;
  }
}

TEST(VnetHeaderTest, WhatIsWrittenIsRead) {
  for (const TunOffload::Gso gso : {TunOffload::Gso::kNone, TunOffload::Gso::kTcpV4,
                                    TunOffload::Gso::kTcpV6, TunOffload::Gso::kUdp}) {
    TunOffload offload;
    offload.gso = gso;
    offload.needs_checksum = true;
    offload.ecn = gso == TunOffload::Gso::kTcpV6;
    offload.header_len = 60;
    offload.segment_payload = 1360;
    offload.csum_start = 40;
    offload.csum_offset = 16;
    std::array<std::uint8_t, kVnetHeaderLen> raw{};
    write_vnet_header(raw, offload);
    const TunOffload read = read_vnet_header(raw);
    EXPECT_EQ(read.gso, offload.gso);
    EXPECT_EQ(read.ecn, offload.ecn);
    EXPECT_TRUE(read.needs_checksum);
    EXPECT_EQ(read.header_len, 60);
    EXPECT_EQ(read.segment_payload, 1360);
    EXPECT_EQ(read.csum_start, 40);
    EXPECT_EQ(read.csum_offset, 16);
  }
}

TEST(SocketAddressTest, EndpointsSurviveBothWays) {
  Endpoint link_local;
  link_local.address = *IpAddress::parse("fe80::1");
  link_local.port = 51820;
  link_local.scope_id = 3;
  Endpoint v4;
  v4.address = *IpAddress::parse("192.0.2.1");
  v4.port = 1;
  for (const Endpoint& endpoint : {link_local, v4}) {
    SocketAddress address{};
    const socklen_t len = to_socket_address(address, endpoint);
    Endpoint back;
    ASSERT_TRUE(from_socket_address(back, &address, len));
    EXPECT_EQ(back, endpoint);
    EXPECT_FALSE(from_socket_address(back, &address, len - 1));
    EXPECT_FALSE(from_socket_address(back, &address, 0));
  }
}

TEST(SendControlTest, InterfaceIsPinnedOnlyWhereTheAddressAloneMeansNothing) {
  const auto pinned = [](const char* remote, const char* local) {
    Endpoint to;
    to.address = *IpAddress::parse(remote);
    to.local_ifindex = 7;
    if (local != nullptr) to.local_address = *IpAddress::parse(local);
    SendControl control;
    control.clear();
    control.add_source(to);
    if (control.len == 0) return -1;
    if (to.address.family == IpFamily::kV4) {
      in_pktinfo info{};
      std::memcpy(&info, control.bytes.data() + CMSG_LEN(0), sizeof info);
      return info.ipi_ifindex;
    }
    in6_pktinfo info{};
    std::memcpy(&info, control.bytes.data() + CMSG_LEN(0), sizeof info);
    return static_cast<int>(info.ipi6_ifindex);
  };
  EXPECT_EQ(pinned("192.0.2.1", "192.0.2.2"), 0);
  EXPECT_EQ(pinned("2001:db8::1", "2001:db8::2"), 0);
  EXPECT_EQ(pinned("fe80::1", "fe80::2"), 7);
  EXPECT_EQ(pinned("192.0.2.1", nullptr), 7);
  EXPECT_EQ(pinned("2001:db8::1", "192.0.2.2"), -1);  // of the other family: a leftover
}

TEST(ReceiveBuffersTest, TruncatedMessagesAreNotDelivered) {
  ReceiveBuffers buffers;
  ASSERT_TRUE(buffers.allocate(1));
  Endpoint from;
  from.address = *IpAddress::parse("192.0.2.1");
  from.port = 9;
  SocketAddress address{};
  const socklen_t len = to_socket_address(address, from);
  std::memcpy(buffers.name(0), &address, len);
  EXPECT_TRUE(buffers.read_train(0, len, 0, 100, 0).has_value());
  EXPECT_FALSE(buffers.read_train(0, len, 0, 100, MSG_TRUNC).has_value());
  EXPECT_FALSE(buffers.read_train(0, len, 0, 100, MSG_CTRUNC).has_value());
  EXPECT_FALSE(buffers.read_train(0, 0, 0, 100, 0).has_value());
  EXPECT_FALSE(buffers.read_train(0, len, 0, 65536, 0).has_value());
}

}  // namespace
}  // namespace hawser::test
