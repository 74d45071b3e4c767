#pragma once
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>

#include "tun/netlink_config.h"

namespace hawser::test {

// Waits until a datagram to `address`, one of the host's own, arrives: the kernel puts the routes
// to its IPv6 addresses in place a little after the addresses.
inline bool wait_until_reachable(const char* address) {
  const int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  sockaddr_in6 to{};
  to.sin6_family = AF_INET6;
  bind(fd, reinterpret_cast<sockaddr*>(&to), sizeof to);
  socklen_t len = sizeof to;
  getsockname(fd, reinterpret_cast<sockaddr*>(&to), &len);
  inet_pton(AF_INET6, address, &to.sin6_addr);
  bool arrived = false;
  for (int i = 0; i < 5000 && !arrived; ++i) {
    sendto(fd, "x", 1, 0, reinterpret_cast<sockaddr*>(&to), sizeof to);
    char byte = 0;
    arrived = recv(fd, &byte, 1, 0) == 1;
    if (!arrived) usleep(1000);
  }
  close(fd);
  return arrived;
}

// Runs `body` on a thread in a network namespace of its own, with lo up. The namespace is gone
// when the thread is: nothing is left behind, whatever happens in it.
inline void in_namespace(const std::function<void()>& body) {
  bool made = false;
  std::thread thread([&] {
    made = unshare(CLONE_NEWNET) == 0;
    if (!made) return;
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ifreq request{};
    std::strcpy(request.ifr_name, "lo");
    ioctl(fd, SIOCGIFFLAGS, &request);
    request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
    ioctl(fd, SIOCSIFFLAGS, &request);
    close(fd);
    EXPECT_TRUE(wait_until_reachable("::1"));
    body();
  });
  thread.join();
  if (!made) GTEST_SKIP() << "needs root and network namespaces";
}

// Runs a command in the calling thread's namespace; true if it succeeded.
inline bool run(const std::string& command) {
  return std::system((command + " >/dev/null 2>&1").c_str()) == 0;
}

// Of the calling thread's namespace; one that is not there has the index 0.
inline Link link(const char* name) {
  const Result<Link> found = find_link(name);
  return found ? *found : Link{};
}

inline std::size_t num_open_fds() {
  std::size_t num = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    ++num;
  }
  return num;
}

}  // namespace hawser::test
