#include "tun/udp_sockets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <set>
#include <string>
#include <vector>

#include "tests/tun/namespace.h"

namespace hawser::test {
namespace {

using testing::HasSubstr;

std::uint16_t local_port(int fd) {
  sockaddr_in6 address{};
  socklen_t len = sizeof address;
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &len);
  return ntohs(address.sin6_port);  // the same place in sockaddr_in
}

int bound_socket(int family, std::uint16_t port, bool reuse_port) {
  const int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  if (reuse_port) setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  sockaddr_in6 address{};
  address.sin6_family = static_cast<sa_family_t>(family);
  address.sin6_port = htons(port);
  if (family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address),
                 family == AF_INET ? sizeof(sockaddr_in) : sizeof address),
            0);
  return fd;
}

TEST(UdpSocketsTest, RandomPortIsTheSameForAllWorkersAndBothFamilies) {
  in_namespace([] {
    const Result<UdpSocketGroup> group = open_udp_sockets(3, 0, 0);
    ASSERT_TRUE(group.ok()) << group.error().message;
    EXPECT_NE(group->port, 0);
    ASSERT_EQ(group->workers.size(), 3U);
    for (const UdpSocketPair& pair : group->workers) {
      EXPECT_EQ(local_port(pair.v4.get()), group->port);
      EXPECT_EQ(local_port(pair.v6.get()), group->port);
    }
  });
}

TEST(UdpSocketsTest, PortInUseNamesTheHolder) {
  for (const int family : {AF_INET, AF_INET6}) {
    for (const bool reuse_port : {false, true}) {
      in_namespace([&] {
        const int holder = bound_socket(family, 41000, reuse_port);
        const Result<UdpSocketGroup> group = open_udp_sockets(2, 41000, 0);
        ASSERT_FALSE(group.ok());
        EXPECT_EQ(group.error().code, EADDRINUSE);
        EXPECT_THAT(group.error().message, HasSubstr("41000"));
        EXPECT_THAT(group.error().message, HasSubstr("pid " + std::to_string(getpid())));
        EXPECT_THAT(group.error().message, HasSubstr("(test_tun)"));
        close(holder);
        EXPECT_TRUE(open_udp_sockets(2, 41000, 0).ok());
      });
    }
  }
}

TEST(UdpSocketsTest, OurOwnOtherGroupIsNoticed) {
  in_namespace([] {
    for (const std::size_t num : {1U, 2U}) {
      const Result<UdpSocketGroup> first = open_udp_sockets(num, 0, 0);
      ASSERT_TRUE(first.ok());
      EXPECT_FALSE(open_udp_sockets(num, first->port, 0).ok());
    }
  });
}

TEST(UdpSocketsTest, FailureLeavesNoSocketOpen) {
  in_namespace([] {
    const int holder = bound_socket(AF_INET6, 41001, false);
    const std::size_t before = num_open_fds();
    EXPECT_FALSE(open_udp_sockets(4, 41001, 0).ok());
    EXPECT_EQ(num_open_fds(), before);
    close(holder);
  });
}

TEST(UdpSocketsTest, FlowsSpreadOverTheWorkers) {
  in_namespace([] {
    const Result<UdpSocketGroup> group = open_udp_sockets(4, 0, 0);
    ASSERT_TRUE(group.ok());
    for (const int family : {AF_INET, AF_INET6}) {
      sockaddr_in6 to{};
      to.sin6_family = static_cast<sa_family_t>(family);
      to.sin6_port = htons(group->port);
      to.sin6_addr = in6addr_loopback;
      if (family == AF_INET) {
        reinterpret_cast<sockaddr_in*>(&to)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      }
      std::vector<int> clients;
      for (int i = 0; i < 100; ++i) {
        clients.push_back(socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        sendto(clients.back(), "x", 1, 0, reinterpret_cast<sockaddr*>(&to),
               family == AF_INET ? sizeof(sockaddr_in) : sizeof to);
      }
      std::size_t total = 0;
      for (const UdpSocketPair& pair : group->workers) {
        const int fd = (family == AF_INET ? pair.v4 : pair.v6).get();
        std::size_t num = 0;
        char byte = 0;
        while (recv(fd, &byte, 1, MSG_DONTWAIT) == 1) ++num;
        EXPECT_GT(num, 0U);
        total += num;
      }
      EXPECT_EQ(total, 100U);
      for (const int fd : clients) close(fd);
    }
  });
}

// Where datagrams of `num_flows` senders arrive, all of the same content: each worker's count, then
// the handshake socket's.
std::vector<std::size_t> arrivals(const UdpSocketGroup& group, int family,
                                  const std::vector<std::uint8_t>& datagram,
                                  std::size_t num_flows) {
  sockaddr_in6 to{};
  to.sin6_family = static_cast<sa_family_t>(family);
  to.sin6_port = htons(group.port);
  to.sin6_addr = in6addr_loopback;
  if (family == AF_INET) {
    reinterpret_cast<sockaddr_in*>(&to)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  }
  const socklen_t to_len = family == AF_INET ? sizeof(sockaddr_in) : sizeof to;
  std::vector<const UdpSocketPair*> members;
  for (const UdpSocketPair& pair : group.workers) members.push_back(&pair);
  members.push_back(&group.handshakes);
  std::vector<std::size_t> totals(members.size());
  for (std::size_t i = 0; i < num_flows; ++i) {
    const int sender = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    std::size_t num_taken = 0;
    for (int repeat = 0; repeat < 3; ++repeat) {
      sendto(sender, datagram.data(), datagram.size(), 0, reinterpret_cast<sockaddr*>(&to), to_len);
    }
    for (std::size_t member = 0; member < members.size(); ++member) {
      const int fd = (family == AF_INET ? members[member]->v4 : members[member]->v6).get();
      char byte = 0;
      std::size_t num = 0;
      while (recv(fd, &byte, 1, MSG_DONTWAIT | MSG_TRUNC) >= 0) ++num;
      EXPECT_TRUE(num == 0 || num == 3) << "a flow stays together";
      totals[member] += num;
      num_taken += num;
    }
    EXPECT_EQ(num_taken, 3U);
    close(sender);
  }
  return totals;
}

std::vector<std::uint8_t> datagram_of(std::uint8_t type, std::size_t len) {
  std::vector<std::uint8_t> datagram(len);
  if (len > 0) datagram[0] = type;
  return datagram;
}

TEST(UdpSocketsTest, SteeredTransportDataSpreadsOverTheWorkersAlone) {
  in_namespace([] {
    for (const std::size_t num_workers : {1U, 4U}) {
      const Result<UdpSocketGroup> group =
          open_udp_sockets(num_workers, 0, 0, Steering::kHandshakesApart);
      ASSERT_TRUE(group.ok()) << group.error().message;
      ASSERT_TRUE(group->is_steered());
      ASSERT_EQ(group->workers.size(), num_workers);
      for (const int family : {AF_INET, AF_INET6}) {
        for (const std::size_t len : {32U, 1452U, 20000U}) {
          std::vector<std::size_t> got = arrivals(*group, family, datagram_of(4, len), 60);
          EXPECT_EQ(got.back(), 0U);
          got.pop_back();
          for (const std::size_t num : got) EXPECT_GT(num, 0U);
        }
      }
    }
  });
}

TEST(UdpSocketsTest, SteeredAllElseGoesToTheHandshakeSocket) {
  in_namespace([] {
    const Result<UdpSocketGroup> group = open_udp_sockets(2, 0, 0, Steering::kHandshakesApart);
    ASSERT_TRUE(group.ok()) << group.error().message;
    std::vector<std::vector<std::uint8_t>> datagrams = {
        datagram_of(1, 148), datagram_of(2, 92),   datagram_of(3, 64),
        datagram_of(0, 0),   datagram_of(4, 1),    datagram_of(4, 3),
        datagram_of(4, 31),  datagram_of(5, 1452), datagram_of(132, 60)};
    datagrams.push_back(datagram_of(4, 100));
    datagrams.back()[1] = 1;  // a reserved byte
    datagrams.push_back(datagram_of(0, 100));
    datagrams.back()[3] = 4;  // as it would be in the other byte order
    for (const int family : {AF_INET, AF_INET6}) {
      for (const std::vector<std::uint8_t>& datagram : datagrams) {
        EXPECT_THAT(arrivals(*group, family, datagram, 10), testing::ElementsAre(0, 0, 30))
            << int{datagram.empty() ? std::uint8_t{0} : datagram[0]} << ", " << datagram.size();
      }
    }
  });
}

TEST(UdpSocketsTest, TheHandshakeSocketIsOneOfTheGroup) {
  in_namespace([] {
    const Result<UdpSocketGroup> group = open_udp_sockets(1, 0, 77, Steering::kHandshakesApart);
    ASSERT_TRUE(group.ok()) << group.error().message;
    EXPECT_EQ(&group->for_handshakes(), &group->handshakes);
    for (const int fd : {group->handshakes.v4.get(), group->handshakes.v6.get()}) {
      EXPECT_EQ(local_port(fd), group->port);
      std::uint32_t mark = 0;
      socklen_t len = sizeof mark;
      ASSERT_TRUE(set_fwmark(*group, 78).ok());
      getsockopt(fd, SOL_SOCKET, SO_MARK, &mark, &len);
      EXPECT_EQ(mark, 78U);
    }
    EXPECT_FALSE(open_udp_sockets(1, group->port, 0, Steering::kHandshakesApart).ok());
  });
}

TEST(UdpSocketsTest, WhatFindsAFullBufferIsCounted) {
  in_namespace([] {
    const Result<UdpSocketGroup> group = open_udp_sockets(1, 0, 0, Steering::kHandshakesApart);
    ASSERT_TRUE(group.ok());
    EXPECT_EQ(count_overflows(*group), 0U);
    const int small = 4096;
    std::uint64_t num_lost = 0;
    for (const int fd : {group->workers[0].v4.get(), group->handshakes.v6.get()}) {
      setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
      const bool v4 = fd == group->workers[0].v4.get();
      const auto datagram = datagram_of(v4 ? 4 : 1, 148);
      sockaddr_in6 to{};
      to.sin6_family = v4 ? AF_INET : AF_INET6;
      to.sin6_port = htons(group->port);
      to.sin6_addr = in6addr_loopback;
      if (v4) reinterpret_cast<sockaddr_in*>(&to)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      const int sender = socket(to.sin6_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
      for (int i = 0; i < 200; ++i) {
        sendto(sender, datagram.data(), datagram.size(), 0, reinterpret_cast<sockaddr*>(&to),
               v4 ? sizeof(sockaddr_in) : sizeof to);
      }
      close(sender);
      std::uint64_t num_received = 0;
      char byte = 0;
      while (recv(fd, &byte, 1, MSG_DONTWAIT | MSG_TRUNC) >= 0) ++num_received;
      EXPECT_LT(num_received, 200U);
      num_lost += 200 - num_received;
    }
    EXPECT_EQ(count_overflows(*group), num_lost);
  });
}

TEST(UdpSocketsTest, ReceiveBufferIsLarge) {
  in_namespace([] {
    const Result<UdpSocketGroup> group = open_udp_sockets(1, 0, 0);
    ASSERT_TRUE(group.ok());
    int len = 0;
    socklen_t option_len = sizeof len;
    getsockopt(group->workers[0].v4.get(), SOL_SOCKET, SO_RCVBUF, &len, &option_len);
    EXPECT_GE(len, 8 << 20);
  });
}

TEST(UdpSocketsTest, FwmarkIsSetClearedAndNeedsNoPrivilegeWhenUnchanged) {
  in_namespace([] {
    const Result<UdpSocketGroup> group = open_udp_sockets(2, 0, 77);
    ASSERT_TRUE(group.ok());
    const auto mark_of = [](int fd) {
      std::uint32_t mark = 0;
      socklen_t len = sizeof mark;
      getsockopt(fd, SOL_SOCKET, SO_MARK, &mark, &len);
      return mark;
    };
    EXPECT_EQ(mark_of(group->workers[1].v6.get()), 77U);
    EXPECT_TRUE(set_fwmark(*group, 0).ok());
    EXPECT_EQ(mark_of(group->workers[0].v4.get()), 0U);
    // A process without the capability, over the same sockets.
    const pid_t child = fork();
    if (child == 0) {
      if (setresuid(65534, 65534, 65534) != 0) _exit(9);
      const Status none = set_fwmark(*group, 0);
      const Status some = set_fwmark(*group, 5);
      const bool right = none.ok() && !some.ok() && some.error().code == EPERM &&
                         some.error().message.find("CAP_NET_ADMIN") != std::string::npos;
      _exit(right ? 0 : 1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  });
}

TEST(UdpSocketsTest, FreePortHasNoHolder) {
  in_namespace([] { EXPECT_EQ(find_port_holder(41002), ""); });
}

}  // namespace
}  // namespace hawser::test
