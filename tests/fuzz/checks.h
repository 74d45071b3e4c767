#pragma once
// What must be true of everything that a device lets out, whatever went in.
#include <gtest/gtest.h>

#include "noise/messages.h"
#include "routing/ip_packet.h"
#include "tests/fuzz/require.h"
#include "tests/sim/node.h"

namespace hawser::testing {

// The testbed says with EXPECT what it does not like; here that must end the process.
inline void make_failures_fatal() {
  class Abort : public ::testing::EmptyTestEventListener {
    void OnTestPartResult(const ::testing::TestPartResult& result) override {
      if (result.failed()) require(false, result.message());
    }
  };
  static const bool done = [] {
    ::testing::UnitTest::GetInstance()->listeners().Append(new Abort);
    return true;
  }();
  (void)done;
}

inline void check_output(Node& node) {
  for (const Datagram& datagram : node.sent) {
    require(classify_message(datagram.bytes).has_value(), "what is sent is a message");
  }
  for (const Packet& packet : node.to_tun) {
    const auto header = parse_ip(packet);
    require(header && header->packet_len == packet.size(), "what goes to TUN is an IP packet");
  }
}

}  // namespace hawser::testing
