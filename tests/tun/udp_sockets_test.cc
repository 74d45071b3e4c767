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
