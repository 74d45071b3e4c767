#pragma once
#include <gtest/gtest.h>
#include <net/if.h>
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

namespace hawser::test {

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
    body();
  });
  thread.join();
  if (!made) GTEST_SKIP() << "needs root and network namespaces";
}

// Runs a command in the calling thread's namespace; true if it succeeded.
inline bool run(const std::string& command) {
  return std::system((command + " >/dev/null 2>&1").c_str()) == 0;
}

inline std::size_t num_open_fds() {
  std::size_t num = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    ++num;
  }
  return num;
}

}  // namespace hawser::test
