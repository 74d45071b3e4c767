#pragma once
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <string>
#include <string_view>

#include "ctl/control_socket.h"

namespace hawser::testing {

// A blocking client of a control socket, for tests. What ought to come and does not within a minute
// fails the test.
class ControlClient {
 public:
  explicit ControlClient(const std::string& path) {
    auto connected = connect_control_socket(path);
    EXPECT_TRUE(connected.ok()) << connected.error().message;
    if (connected.ok()) fd_ = std::move(*connected);
    const timeval timeout{60, 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
  }

  // False: the other side has closed.
  bool send(std::string_view text) {
    while (!text.empty()) {
      const ssize_t put = ::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL);
      if (put <= 0) return false;
      text.remove_prefix(static_cast<std::size_t>(put));
    }
    return true;
  }
  // One answer, its empty line included; what came before the other side closed, if it did.
  std::string receive() {
    while (true) {
      const std::size_t end = received_.find("\n\n");
      if (end != std::string::npos) {
        const std::string answer = received_.substr(0, end + 2);
        received_.erase(0, end + 2);
        return answer;
      }
      std::array<char, 65536> piece{};
      const ssize_t got = ::recv(fd_.get(), piece.data(), piece.size(), 0);
      EXPECT_GE(got, 0) << "no answer";
      if (got <= 0) return std::exchange(received_, {});
      received_.append(piece.data(), static_cast<std::size_t>(got));
    }
  }
  std::string ask(std::string_view request) {
    EXPECT_TRUE(send(request));
    return receive();
  }
  // Waits for the other side to close.
  bool sees_end() {
    char byte = 0;
    return ::recv(fd_.get(), &byte, 1, 0) <= 0;
  }
  void close() { fd_.reset(); }

 private:
  UniqueFd fd_;
  std::string received_;
};

}  // namespace hawser::testing
