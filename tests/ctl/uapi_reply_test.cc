#include "ctl/uapi_reply.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <string>

namespace hawser {
namespace {

DeviceView full_view() {
  DeviceView view;
  view.private_key.mutable_bytes()[0] = 0x01;
  view.private_key.mutable_bytes()[31] = 0xfe;
  view.listen_port = 51820;
  view.fwmark = 5;
  PeerView peer;
  peer.public_key.bytes.fill(0xab);
  peer.preshared_key.mutable_bytes()[31] = 0x0c;
  Endpoint endpoint;
  endpoint.address = *IpAddress::parse("2001:db8::1");
  endpoint.port = 7;
  peer.endpoint = endpoint;
  peer.last_handshake = {1700000000, 42};
  peer.tx_bytes = 18'446'744'073'709'551'615u;
  peer.rx_bytes = 2;
  peer.persistent_keepalive = 25;
  peer.allowed_ips = {*Prefix::parse("10.0.0.0/8"), *Prefix::parse("fd00::/64")};
  view.peers.push_back(std::move(peer));
  return view;
}

std::string repeat(const std::string& text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

TEST(UapiReply, NamesEverythingInTheOrderOfTheProtocol) {
  EXPECT_EQ(make_get_reply(full_view()).view(),
            "private_key=01" + std::string(60, '0') + "fe\n" +
                "listen_port=51820\nfwmark=5\npublic_key=" + repeat("ab", 32) +
                "\npreshared_key=" + std::string(62, '0') + "0c\n" +
                "protocol_version=1\nendpoint=[2001:db8::1]:7\n"
                "last_handshake_time_sec=1700000000\nlast_handshake_time_nsec=42\n"
                "tx_bytes=18446744073709551615\nrx_bytes=2\npersistent_keepalive_interval=25\n"
                "allowed_ip=10.0.0.0/8\nallowed_ip=fd00::/64\nerrno=0\n\n");
}

TEST(UapiReply, LeavesOutZerosOfTheDeviceButNotOfAPeer) {
  DeviceView view;
  EXPECT_EQ(make_get_reply(view).view(), "errno=0\n\n");
  view.peers.emplace_back();
  EXPECT_EQ(make_get_reply(view).view(),
            "public_key=" + std::string(64, '0') + "\npreshared_key=" + std::string(64, '0') +
                "\nprotocol_version=1\nlast_handshake_time_sec=0\nlast_handshake_time_nsec=0\n"
                "tx_bytes=0\nrx_bytes=0\npersistent_keepalive_interval=0\nerrno=0\n\n");
}

TEST(UapiReply, ReservesEnoughThatNoCopyOfAKeyIsLeftBehind) {
  DeviceView view;
  Endpoint endpoint;
  endpoint.address = *IpAddress::parse("fe80:1111:2222:3333:4444:5555:6666:7777");
  endpoint.port = 65535;
  endpoint.scope_id = 4294967295u;
  for (int i = 0; i < 1000; ++i) {
    PeerView peer;
    peer.endpoint = endpoint;
    peer.last_handshake = {INT64_MAX, 999'999'999};
    peer.tx_bytes = peer.rx_bytes = UINT64_MAX;
    peer.persistent_keepalive = UINT16_MAX;
    for (int j = 0; j < 10; ++j) {
      peer.allowed_ips.push_back(*Prefix::parse("1111:2222:3333:4444:5555:6666:7777:8888/128"));
    }
    view.peers.push_back(std::move(peer));
  }
  ReplyText reply = make_get_reply(view);
  // Growing would have doubled the capacity beyond the reservation.
  EXPECT_LE(reply.text().capacity(), 256u + 1000 * (512 + 10 * 64) + 16);
}

TEST(UapiReply, AnswersASetWithNegativeAndAGetWithPositiveErrno) {
  EXPECT_EQ(make_errno_reply(EINVAL, true).view(), "errno=-22\n\n");
  EXPECT_EQ(make_errno_reply(EINVAL, false).view(), "errno=22\n\n");
  EXPECT_EQ(make_errno_reply(0, true).view(), "errno=0\n\n");
}

TEST(UapiReply, AMovedReplyLeavesNothingBehind) {
  ReplyText from("short");
  const ReplyText to(std::move(from));
  EXPECT_EQ(to.view(), "short");
  EXPECT_TRUE(from.view().empty());  // NOLINT(bugprone-use-after-move)
}

}  // namespace
}  // namespace hawser
