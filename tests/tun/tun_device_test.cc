#include "tun/tun_device.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/if_tun.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <set>
#include <thread>

#include "base/wire.h"
#include "routing/checksum.h"
#include "tests/tun/namespace.h"
#include "tests/tun/node.h"
#include "tun/netlink_config.h"

namespace hawser::test {
namespace {

using testing::HasSubstr;

TEST(InterfaceNameTest, TakesWhatTheKernelTakes) {
  for (const char* const good : {"wg0", "a", "123456789012345", "wg-1.x_y"}) {
    EXPECT_TRUE(check_interface_name(good).ok()) << good;
  }
  for (const char* const bad :
       {"", ".", "..", "1234567890123456", "a/b", "a b", "a\n", "a:0", "wg%d"}) {
    EXPECT_FALSE(check_interface_name(bad).ok()) << bad;
  }
}

TEST(TunDeviceTest, CreateGivesQueuesMtuAndOffloads) {
  in_namespace([] {
    const Result<TunDevice> device = TunDevice::create("wg0", 3, 1420);
    ASSERT_TRUE(device.ok()) << device.error().message;
    EXPECT_EQ(device->num_queues(), 3U);
    EXPECT_EQ(device->name(), "wg0");
    EXPECT_TRUE(device->has_vnet_header());
    EXPECT_TRUE(device->features().tso);
    EXPECT_TRUE(run("ip link show wg0 | grep -q 'mtu 1420'"));
    EXPECT_FALSE(run("ip link show wg0 | grep -q '[<,]UP'"));
  });
}

TEST(TunDeviceTest, TheInterfaceGetsNoLinkLocalAddress) {
  in_namespace([] {
    const Result<TunDevice> device = TunDevice::create("wg0", 1, 1420);
    ASSERT_TRUE(device.ok()) << device.error().message;
    ASSERT_TRUE(set_no_link_local(link("wg0")).ok());
    ASSERT_TRUE(set_link_up(link("wg0")).ok());
    EXPECT_FALSE(run("ip -6 address show dev wg0 | grep fe80"));
    // IPv6 leaves an interface whose MTU is less than its least.
    ASSERT_TRUE(set_link_mtu(link("wg0"), 1000).ok());
    EXPECT_EQ(set_no_link_local(link("wg0")).error().code, EAFNOSUPPORT);
  });
}

TEST(TunDeviceTest, ClosingTheDeviceRemovesTheInterface) {
  in_namespace([] {
    {
      const Result<TunDevice> device = TunDevice::create("wg0", 2, 1420);
      ASSERT_TRUE(device.ok());
      EXPECT_TRUE(run("ip link show wg0"));
    }
    EXPECT_FALSE(run("ip link show wg0"));
  });
}

TEST(TunDeviceTest, TakenNameIsSaidAndNotShared) {
  in_namespace([] {
    const Result<TunDevice> first = TunDevice::create("wg0", 1, 1420);
    ASSERT_TRUE(first.ok());
    const Result<TunDevice> second = TunDevice::create("wg0", 1, 1420);
    ASSERT_FALSE(second.ok());
    EXPECT_THAT(second.error().message, HasSubstr("wg0 exists already"));
    EXPECT_THAT(second.error().message, HasSubstr("ip link del wg0"));
    ASSERT_TRUE(run("ip link add br0 type veth peer name br1"));
    const Result<TunDevice> third = TunDevice::create("br0", 1, 1420);
    ASSERT_FALSE(third.ok());
    EXPECT_THAT(third.error().message, HasSubstr("br0 exists already"));
    EXPECT_THAT(third.error().message, HasSubstr("not a TUN device (driver veth)"));
    EXPECT_THAT(third.error().message, Not(HasSubstr("ip link del")));
  });
}

TEST(TunDeviceTest, LackOfPrivilegeNamesTheCapability) {
  in_namespace([] {
    const pid_t child = fork();
    if (child == 0) {
      if (setresuid(65534, 65534, 65534) != 0) _exit(9);
      const Result<TunDevice> device = TunDevice::create("wg0", 1, 1420);
      const bool right =
          !device.ok() && device.error().message.find("CAP_NET_ADMIN") != std::string::npos;
      _exit(right ? 0 : 1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  });
}

TEST(TunDeviceTest, MissingTunDeviceNamesTheRemedy) {
  in_namespace([] {
    const pid_t child = fork();
    if (child == 0) {
      // An empty directory over /dev/net, seen by this child alone.
      if (unshare(CLONE_NEWNS) != 0 ||
          mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
          mount("none", "/dev/net", "tmpfs", 0, nullptr) != 0) {
        _exit(9);
      }
      const Result<TunDevice> device = TunDevice::create("wg0", 1, 1420);
      const bool right =
          !device.ok() && device.error().message.find("modprobe tun") != std::string::npos;
      _exit(right ? 0 : 1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  });
}

TEST(TunDeviceTest, RefusedMtuIsSaid) {
  in_namespace([] {
    const Result<TunDevice> device = TunDevice::create("wg0", 1, 20);
    ASSERT_FALSE(device.ok());
    EXPECT_THAT(device.error().message, HasSubstr("MTU of wg0 to 20"));
  });
}

int open_tun(const char* name, int flags) {
  const int fd = open("/dev/net/tun", O_RDWR);
  ifreq request{};
  std::strcpy(request.ifr_name, name);
  request.ifr_flags = static_cast<short>(flags);
  EXPECT_EQ(ioctl(fd, TUNSETIFF, &request), 0);
  return fd;
}

TEST(TunDeviceTest, AdoptReadsNameAndHeaderFromTheDescriptor) {
  in_namespace([] {
    const Result<TunDevice> with =
        TunDevice::adopt(UniqueFd(open_tun("t0", IFF_TUN | IFF_NO_PI | IFF_VNET_HDR)));
    ASSERT_TRUE(with.ok()) << with.error().message;
    EXPECT_EQ(with->name(), "t0");
    EXPECT_TRUE(with->has_vnet_header());
    EXPECT_TRUE(with->features().tso);
    EXPECT_NE(fcntl(with->queue(0), F_GETFL) & O_NONBLOCK, 0);
    const Result<TunDevice> without =
        TunDevice::adopt(UniqueFd(open_tun("t1", IFF_TUN | IFF_NO_PI)));
    ASSERT_TRUE(without.ok());
    EXPECT_FALSE(without->has_vnet_header());
    EXPECT_FALSE(without->features().tso);
    EXPECT_FALSE(TunDevice::adopt(UniqueFd(open_tun("t3", IFF_TAP | IFF_NO_PI))).ok());
    EXPECT_FALSE(TunDevice::adopt(UniqueFd(open("/dev/null", O_RDWR))).ok());
  });
}

class TunEngineTest : public ::testing::TestWithParam<EngineKind> {};
INSTANTIATE_TEST_SUITE_P(Both, TunEngineTest,
                         ::testing::Values(EngineKind::kIoUring, EngineKind::kEpoll),
                         [](const auto& param) { return std::string(to_string(param.param)); });

TunDevice up_tun(std::size_t num_queues = 1) {
  Result<TunDevice> device = TunDevice::create("wg0", num_queues, 1420);
  EXPECT_TRUE(device.ok());
  EXPECT_TRUE(add_address(link("wg0"), *IpAddress::parse("10.9.0.1"), 24).ok());
  EXPECT_TRUE(add_address(link("wg0"), *IpAddress::parse("fd09::1"), 64).ok());
  EXPECT_TRUE(set_link_up(link("wg0")).ok());
  return std::move(*device);
}

// Only what is IPv4 (`version` 4) or IPv6 and not the kernel's own chatter (ICMPv6).
std::vector<Node::Packet> of_protocol(const Node& node, std::uint8_t version,
                                      std::uint8_t protocol) {
  std::vector<Node::Packet> result;
  for (const Node::Packet& packet : node.packets) {
    if (packet.bytes[0] >> 4 != version) continue;
    if (packet.bytes[version == 4 ? 9 : 6] == protocol) result.push_back(packet);
  }
  return result;
}

int udp_to(const char* address, std::uint16_t port) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  std::memcpy(&to.sin_addr, IpAddress::parse(address)->bytes.data(), 4);
  EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  return fd;
}

TEST_P(TunEngineTest, PacketsOfTheHostArrive) {
  in_namespace([&] {
    const TunDevice device = up_tun();
    Node node(GetParam(), device.queue(0));
    const int fd = udp_to("10.9.0.2", 7);
    for (int i = 0; i < 100; ++i) ASSERT_EQ(send(fd, "hello", 5, 0), 5);
    for (int i = 0; i < 100 && of_protocol(node, 4, IPPROTO_UDP).size() < 100; ++i) node.wait(10ms);
    const std::vector<Node::Packet> packets = of_protocol(node, 4, IPPROTO_UDP);
    ASSERT_EQ(packets.size(), 100U);
    EXPECT_EQ(packets[99].bytes.size(), 33U);
    EXPECT_EQ(std::string(packets[99].bytes.end() - 5, packets[99].bytes.end()), "hello");
    EXPECT_LE(node.in.tun_packets.size(), kMaxTunPacketsPerBatch);
    close(fd);
  });
}

TEST_P(TunEngineTest, UdpSuperPacketArrivesWhole) {
  in_namespace([&] {
    const TunDevice device = up_tun();
    if (!device.features().uso) GTEST_SKIP() << "no USO";
    Node node(GetParam(), device.queue(0));
    const int fd = udp_to("10.9.0.2", 7);
    const int segment = 1000;
    setsockopt(fd, SOL_UDP, UDP_SEGMENT, &segment, sizeof segment);
    const std::vector<std::uint8_t> bytes = pattern(7500);
    ASSERT_EQ(send(fd, bytes.data(), bytes.size(), 0), 7500);
    for (int i = 0; i < 100 && of_protocol(node, 4, IPPROTO_UDP).empty(); ++i) node.wait(10ms);
    const std::vector<Node::Packet> packets = of_protocol(node, 4, IPPROTO_UDP);
    ASSERT_EQ(packets.size(), 1U);
    EXPECT_EQ(packets[0].packet.offload.gso, TunOffload::Gso::kUdp);
    EXPECT_EQ(packets[0].packet.offload.segment_payload, 1000);
    EXPECT_EQ(packets[0].packet.offload.csum_start, 20);
    EXPECT_EQ(packets[0].packet.offload.csum_offset, 6);
    EXPECT_TRUE(packets[0].packet.offload.needs_checksum);
    EXPECT_EQ(packets[0].bytes.size(), 7528U);
    close(fd);
  });
}

// The headers of a UDP packet from 10.9.0.2 to 10.9.0.1, checksum left to the device.
std::vector<std::uint8_t> udp_headers(std::uint16_t port, std::size_t payload_len) {
  std::vector<std::uint8_t> h(28);
  const auto ip_len = static_cast<std::uint16_t>(28 + payload_len);
  const auto udp_len = static_cast<std::uint16_t>(8 + payload_len);
  h[0] = 0x45;
  store_be16(&h[2], ip_len);
  h[8] = 64;
  h[9] = IPPROTO_UDP;
  const IpAddress from = *IpAddress::parse("10.9.0.2");
  const IpAddress to = *IpAddress::parse("10.9.0.1");
  std::memcpy(&h[12], from.bytes.data(), 4);
  std::memcpy(&h[16], to.bytes.data(), 4);
  store_be16(&h[10], checksum_finish(checksum_add(0, std::span(h).first(20))));
  store_be16(&h[20], 7);
  store_be16(&h[22], port);
  store_be16(&h[24], udp_len);
  store_be16(&h[26], checksum_fold(pseudo_header_sum(from, to, IPPROTO_UDP, udp_len)));
  return h;
}

void add_udp_write(OutBatch& out, std::vector<std::uint8_t>& headers,
                   std::vector<std::vector<std::uint8_t>>& payloads, std::uint16_t segment) {
  TunWrite write;
  write.first_slice = out.num_slices();
  out.add_slice(headers.data(), headers.size());
  write.len = static_cast<std::uint32_t>(headers.size());
  for (std::vector<std::uint8_t>& payload : payloads) {
    out.add_slice(payload.data(), payload.size());
    write.len += static_cast<std::uint32_t>(payload.size());
  }
  write.num_slices = out.num_slices() - write.first_slice;
  write.offload.needs_checksum = true;
  write.offload.csum_start = 20;
  write.offload.csum_offset = 6;
  write.offload.header_len = 28;
  if (segment != 0) {
    write.offload.gso = TunOffload::Gso::kUdp;
    write.offload.segment_payload = segment;
  }
  out.add_tun(write);
}

TEST_P(TunEngineTest, WritesReachTheHostInOrderAndSuperPacketsAreCut) {
  in_namespace([&] {
    const TunDevice device = up_tun();
    Node node(GetParam(), device.queue(0));
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_port = htons(4000);
    ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&any), sizeof any), 0);
    // More writes than one submission takes; every tenth a super-packet of three segments.
    constexpr std::size_t kNum = 150;
    std::vector<std::vector<std::uint8_t>> headers;
    std::vector<std::vector<std::vector<std::uint8_t>>> payloads;
    const bool uso = device.features().uso;
    for (std::size_t i = 0; i < kNum; ++i) {
      const auto seed = static_cast<std::uint8_t>(i);
      if (uso && i % 10 == 0) {
        payloads.push_back({pattern(100, seed), pattern(100, seed), pattern(30, seed)});
        headers.push_back(udp_headers(4000, 230));
      } else {
        payloads.push_back({pattern(50, seed)});
        headers.push_back(udp_headers(4000, 50));
      }
    }
    for (std::size_t i = 0; i < kNum; ++i) {
      add_udp_write(node.out, headers[i], payloads[i], payloads[i].size() > 1 ? 100 : 0);
    }
    node.submit();
    EXPECT_TRUE(node.tun_errors.empty());
    for (std::size_t i = 0; i < kNum; ++i) {
      for (const std::vector<std::uint8_t>& expected : payloads[i]) {
        std::vector<std::uint8_t> got(2000);
        const ssize_t len = recv(fd, got.data(), got.size(), 0);
        ASSERT_GE(len, 0) << i;
        got.resize(static_cast<std::size_t>(len));
        ASSERT_EQ(got, expected) << i;
      }
    }
    close(fd);
  });
}

TEST_P(TunEngineTest, FailedWritesAreReported) {
  in_namespace([&] {
    const TunDevice device = up_tun();
    Node node(GetParam(), device.queue(0));
    std::vector<std::vector<std::uint8_t>> payload = {pattern(50)};
    std::vector<std::uint8_t> headers = udp_headers(4000, 50);
    ASSERT_TRUE(run("ip link set wg0 down"));
    add_udp_write(node.out, headers, payload, 0);
    node.submit();
    add_udp_write(node.out, headers, payload, 0);
    add_udp_write(node.out, headers, payload, 0);
    node.submit();
    EXPECT_EQ(node.tun_errors, (std::vector<int>{EIO, EIO, EIO}));
    Node without(GetParam());
    add_udp_write(without.out, headers, payload, 0);
    without.submit();
    EXPECT_EQ(without.tun_errors, (std::vector<int>{ENODEV}));
  });
}

TEST_P(TunEngineTest, DeletedInterfaceDoesNotMakeTheEngineSpin) {
  in_namespace([&] {
    const TunDevice device = up_tun();
    Node node(GetParam(), device.queue(0));
    node.wait(0ms);
    ASSERT_TRUE(run("ip link del wg0"));
    node.wait(20ms);
    int num_waits = 0;
    const auto end = std::chrono::steady_clock::now() + 50ms;
    while (std::chrono::steady_clock::now() < end) {
      node.wait(10ms);
      ++num_waits;
    }
    EXPECT_LE(num_waits, 10);
    Node other(GetParam());
    other.send(endpoint("127.0.0.1", node.group.port), pattern(3));
    EXPECT_TRUE(node.wait_for(1));
  });
}

// Sends every IPv4 packet back with source and destination exchanged, which no checksum notices.
// So a connection to 10.9.0.2 comes back as one from 10.9.0.2, with all its super-packets.
void reflect(Node& node) {
  for (const TunPacket& packet : node.in.tun_packets) {
    if (packet.data[0] >> 4 != 4) continue;
    std::swap_ranges(packet.data + 12, packet.data + 16, packet.data + 16);
    TunWrite write;
    write.first_slice = node.out.num_slices();
    write.num_slices = 1;
    write.len = packet.len;
    write.offload = packet.offload;
    node.out.add_slice(packet.data, packet.len);
    node.out.add_tun(write);
  }
  node.submit();
}

TEST_P(TunEngineTest, TcpRunsOverSuperPackets) {
  in_namespace([&] {
    const TunDevice device = up_tun();
    Node node(GetParam(), device.queue(0));
    constexpr std::size_t kLen = 20'000'000;
    std::atomic<bool> done{false};
    std::thread tcp([&] {
      const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_port = htons(5000);
      EXPECT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
      listen(listener, 1);
      const int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      std::memcpy(&address.sin_addr, IpAddress::parse("10.9.0.2")->bytes.data(), 4);
      EXPECT_EQ(connect(client, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
      const int server = accept(listener, nullptr, nullptr);
      const std::vector<std::uint8_t> sent = pattern(kLen);
      std::thread writer([&] {
        for (std::size_t at = 0; at < kLen;) {
          const ssize_t put = send(client, sent.data() + at, kLen - at, MSG_NOSIGNAL);
          if (put <= 0) break;
          at += static_cast<std::size_t>(put);
        }
        shutdown(client, SHUT_WR);
      });
      std::vector<std::uint8_t> got(kLen + 1);
      std::size_t len = 0;
      for (ssize_t n = 1; n > 0 && len < got.size(); len += static_cast<std::size_t>(n)) {
        n = recv(server, got.data() + len, got.size() - len, 0);
        if (n < 0) break;
      }
      writer.join();
      got.resize(len);
      EXPECT_EQ(got.size(), kLen);
      EXPECT_TRUE(got == sent);
      close(client);
      close(server);
      close(listener);
      done = true;
      node.engine->wake();
    });
    bool saw_super_packet = false;
    while (!done.load()) {
      node.engine->wait(node.in, 100ms);
      for (const TunPacket& packet : node.in.tun_packets) {
        saw_super_packet = saw_super_packet || packet.offload.gso == TunOffload::Gso::kTcpV4;
      }
      reflect(node);
    }
    tcp.join();
    EXPECT_TRUE(saw_super_packet);
    EXPECT_TRUE(node.tun_errors.empty());
  });
}

TEST_P(TunEngineTest, FlowsSpreadOverTheQueues) {
  in_namespace([&] {
    const TunDevice device = up_tun(2);
    Node first(GetParam(), device.queue(0));
    Node second(GetParam(), device.queue(1));
    std::vector<int> fds;
    for (std::uint16_t port = 1000; port < 1100; ++port) {
      fds.push_back(udp_to("10.9.0.2", port));
      send(fds.back(), "x", 1, 0);
    }
    for (int i = 0; i < 20; ++i) {
      first.wait(5ms);
      second.wait(5ms);
    }
    const std::size_t a = of_protocol(first, 4, IPPROTO_UDP).size();
    const std::size_t b = of_protocol(second, 4, IPPROTO_UDP).size();
    EXPECT_EQ(a + b, 100U);
    EXPECT_GT(a, 0U);
    EXPECT_GT(b, 0U);
    for (const int fd : fds) close(fd);
  });
}

TEST_P(TunEngineTest, AnEngineThatOnlyWritesToTunLeavesItsPacketsToOthers) {
  in_namespace([&] {
    const TunDevice device = up_tun(1);
    Node reader(GetParam(), device.queue(0));
    Node writer(GetParam(), device.queue(0), /*receive=*/true, 1, /*read_tun=*/false);
    const int fd = udp_to("10.9.0.2", 7);
    ASSERT_EQ(send(fd, "hello", 5, 0), 5);
    for (int i = 0; i < 5; ++i) writer.wait(5ms);
    EXPECT_TRUE(writer.packets.empty());
    bool read = false;
    for (int i = 0; i < 100 && !read; ++i) {
      reader.wait(10ms);
      read = of_protocol(reader, 4, IPPROTO_UDP).size() == 1;
    }
    EXPECT_TRUE(read);
    close(fd);
  });
}

TEST_P(TunEngineTest, QueueWithoutVnetHeaderCarriesPlainPackets) {
  in_namespace([&] {
    Result<TunDevice> device = TunDevice::adopt(UniqueFd(open_tun("wg0", IFF_TUN | IFF_NO_PI)));
    ASSERT_TRUE(device.ok());
    ASSERT_TRUE(add_address(link("wg0"), *IpAddress::parse("10.9.0.1"), 24).ok());
    ASSERT_TRUE(set_link_up(link("wg0")).ok());
    EngineParts parts;
    parts.tun = device->queue(0);
    parts.tun_has_vnet_header = false;
    Node node(GetParam());
    node.engine = std::move(*make_kernel_engine(GetParam(), parts, nullptr));
    const int fd = udp_to("10.9.0.2", 7);
    ASSERT_EQ(send(fd, "hello", 5, 0), 5);
    bool echoed = false;
    for (int i = 0; i < 100 && !echoed; ++i) {
      node.packets.clear();
      node.wait(10ms);
      echoed = of_protocol(node, 4, IPPROTO_UDP).size() == 1;
      if (echoed) {
        EXPECT_EQ(of_protocol(node, 4, IPPROTO_UDP)[0].bytes.size(), 33U);
      }
      // 10.9.0.2:7 gets what 10.9.0.1 sent to port 7: an unreachable, or nothing. No error here.
      reflect(node);
    }
    EXPECT_TRUE(echoed);
    EXPECT_TRUE(node.tun_errors.empty());
    close(fd);
  });
}

}  // namespace
}  // namespace hawser::test
