#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <set>
#include <string>

#include "base/hex.h"
#include "ctl/status_client.h"
#include "ctl/status_report.h"
#include "ctl/status_text.h"

namespace hawser {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

std::size_t index_of(DropReason reason) { return static_cast<std::size_t>(reason); }

StatusFacts facts() {
  StatusFacts facts;
  facts.interface = "wg0";
  facts.forward = ForwardMode::kDirect;
  facts.engine = "epoll";
  facts.engine_reason = "io_uring_setup: Operation not permitted";
  facts.aead = "boringssl";
  facts.num_workers = 2;
  facts.mtu = 1420;
  facts.started = 1000;
  return facts;
}

DeviceView view() {
  DeviceView view;
  view.private_key.mutable_bytes()[3] = 0x77;
  view.public_key.bytes.fill(0x11);
  view.listen_port = 51820;
  PeerView peer;
  peer.public_key.bytes.fill(0x22);
  peer.preshared_key.mutable_bytes()[3] = 0x77;
  Endpoint endpoint;
  endpoint.address = *IpAddress::parse("192.0.2.1");
  endpoint.port = 7;
  peer.endpoint = endpoint;
  peer.last_handshake = {5000, 0};
  peer.rx_bytes = 1536;
  peer.tx_bytes = 10;
  peer.persistent_keepalive = 25;
  peer.has_session = true;
  peer.handshake_attempts = 5;
  peer.num_staged = 3;
  peer.allowed_ips = {*Prefix::parse("10.0.0.0/8"), *Prefix::parse("::/0")};
  peer.drops[index_of(DropReason::kReplayed)] = 4;
  view.peers.push_back(std::move(peer));
  PeerView silent;
  silent.public_key.bytes.fill(0x33);
  view.peers.push_back(std::move(silent));
  return view;
}

DeviceCounters counters() {
  DeviceCounters counters;
  counters.relayed_packets = 99;
  counters.under_load = true;
  counters.drops[index_of(DropReason::kNoSession)] = 12;
  counters.drops[index_of(DropReason::kReplayed)] = 1;
  return counters;
}

TEST(Status, NamesEverythingInTheStyleOfTheSocket) {
  const std::string report = make_status_report(facts(), view(), counters());
  const std::string peer1(64, '2');
  const std::string peer2(64, '3');
  for (const std::string& line :
       {std::string("interface=wg0"),
        std::string("forward=direct"),
        std::string("tun=true"),
        std::string("up=true"),
        std::string("engine=epoll"),
        std::string("engine_reason=io_uring_setup: Operation not permitted"),
        std::string("aead=boringssl"),
        std::string("workers=2"),
        std::string("mtu=1420"),
        "own_public_key=" + std::string(64, '1'),
        std::string("listen_port=51820"),
        std::string("num_peers=2"),
        std::string("under_load=true"),
        std::string("relayed_packets=99"),
        std::string("drop.no-session=12"),
        "public_key=" + peer1,
        std::string("endpoint=192.0.2.1:7"),
        std::string("has_session=true"),
        std::string("handshake_attempts=5"),
        std::string("num_staged=3"),
        std::string("drop.replayed=4"),
        std::string("allowed_ip=::/0"),
        "public_key=" + peer2}) {
    EXPECT_THAT(report, HasSubstr("\n" + line + "\n"));
  }
  EXPECT_THAT(report, EndsWith("\nerrno=0\n\n"));
  EXPECT_THAT(report, Not(HasSubstr("aead_reason")));
  EXPECT_LT(report.find("relayed_packets"), report.find("public_key=" + peer1));
  EXPECT_LT(report.find("public_key=" + peer1), report.find("drop.replayed=4"));
  EXPECT_LT(report.find("drop.replayed=4"), report.find("public_key=" + peer2));
}

TEST(Status, HoldsNoSecret) {
  EXPECT_THAT(make_status_report(facts(), view(), counters()), Not(HasSubstr("77")));
}

TEST(Status, AReasonWithALineBreakDoesNotBeginAKey) {
  StatusFacts tricky = facts();
  tricky.engine_reason = "no\nerrno=5";
  EXPECT_THAT(make_status_report(tricky, view(), counters()), Not(HasSubstr("\nerrno=5")));
}

TEST(Status, EveryDropReasonHasAName) {
  std::set<std::string> names;
  for (std::size_t i = 0; i < kNumDropReasons; ++i) {
    const std::string name(to_string(static_cast<DropReason>(i)));
    EXPECT_FALSE(name.empty());
    names.insert(name);
  }
  EXPECT_EQ(names.size(), kNumDropReasons);
}

TEST(Status, SumsUpDropsOfDeviceAndPeers) {
  const DropCounts total = total_drops(view(), counters());
  EXPECT_EQ(total[index_of(DropReason::kReplayed)], 5u);
  EXPECT_EQ(summarize_drops(total), "dropped packets: no-session 12, replayed 5");
  EXPECT_EQ(summarize_drops({}), "dropped packets: none");
}

TEST(StatusClient, ReadsWhatTheDaemonWrites) {
  const auto answer = parse_status(make_status_report(facts(), view(), counters()));
  ASSERT_TRUE(answer.ok()) << answer.error().message;
  ASSERT_EQ(answer->peers.size(), 2u);
  EXPECT_EQ(answer->peers[0].front(), (StatusLine{"public_key", std::string(64, '2')}));
}

TEST(StatusClient, WritesForPeople) {
  const auto answer = parse_status(make_status_report(facts(), view(), counters()));
  const std::string text = format_status(*answer, 5000 + 3723);
  for (const char* line :
       {"interface: wg0\n", "  listening port: 51820\n", "  state: up, under load\n",
        "  engine: epoll (io_uring_setup: Operation not permitted)\n",
        "  dropped: no-session 12, replayed 1\n",
        "\npeer: IiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiI=\n", "  endpoint: 192.0.2.1:7\n",
        "  allowed ips: 10.0.0.0/8, ::/0\n",
        "  latest handshake: 1 hour, 2 minutes, 3 seconds ago\n", "  session: established\n",
        "  transfer: 1.50 KiB received, 10 B sent\n", "  persistent keepalive: every 25 seconds\n",
        "  dropped: replayed 4\n", "  allowed ips: (none)\n"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

TEST(StatusClient, WritesForPrograms) {
  const auto answer = parse_status(make_status_report(facts(), view(), counters()));
  const auto json = nlohmann::json::parse(status_to_json({*answer}));
  const auto& device = json["interfaces"][0];
  EXPECT_EQ(device["interface"], "wg0");
  EXPECT_EQ(device["workers"], 2);
  EXPECT_EQ(device["under_load"], true);
  EXPECT_EQ(device["drops"]["no-session"], 12);
  EXPECT_EQ(device["peers"][0]["public_key"], "IiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiI=");
  EXPECT_EQ(device["peers"][0]["drops"]["replayed"], 4);
  EXPECT_THAT(device["peers"][0]["allowed_ips"], ElementsAre("10.0.0.0/8", "::/0"));
  EXPECT_TRUE(device["peers"][1]["allowed_ips"].empty());
}

TEST(StatusClient, RefusesWhatIsNoAnswer) {
  EXPECT_FALSE(parse_status("").ok());
  EXPECT_FALSE(parse_status("interface=wg0\n").ok());
  EXPECT_FALSE(parse_status("interface\nerrno=0\n\n").ok());
  EXPECT_FALSE(parse_status("errno=22\n\n").ok());
  EXPECT_FALSE(parse_status("\n").ok());
}

}  // namespace
}  // namespace hawser
