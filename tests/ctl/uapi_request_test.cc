#include "ctl/uapi_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <limits>
#include <random>
#include <string>

#include "tests/ctl/change_text.h"

namespace hawser {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

const std::string kKeyA(64, 'a');
const std::string kKeyB(64, 'B');
const std::string kOfPeerA = "public_key=" + kKeyA + "\n";
constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();

std::uint32_t known_zone(std::string_view name) { return name == "eth0" ? 7 : 0; }

UapiRequest parse(const std::string& text, UapiLimits limits = {}) {
  UapiParser parser(known_zone, limits);
  EXPECT_EQ(parser.feed(text), text.size());
  EXPECT_TRUE(parser.complete()) << text;
  return parser.take();
}

UapiRequest parse_set(const std::string& lines) { return parse("set=1\n" + lines + "\n"); }

// 0: accepted.
int code_of(const UapiRequest& request) { return request.refusal ? request.refusal->code : 0; }

const char* const kFullSet =
    "set=1\n"
    "private_key=a8dac1d8a70a751f0f699fb14ba1cff4b79cf4fbd8f09f44c6e6a90d0369604f\n"
    "listen_port=12912\nfwmark=305419896\nreplace_peers=true\n"
    "public_key=b85996fecc9c7f1fc6d2572a76eda11d59bcd20be8e543b15ce4bd85a8e75a33\n"
    "update_only=true\n"
    "preshared_key=188515093e952f5f22e865cef3012e72f8b5f0b598ac0309d5dacce3b70fcf52\n"
    "endpoint=[abcd:23::33%2]:51820\npersistent_keepalive_interval=65535\n"
    "replace_allowed_ips=true\nallowed_ip=192.168.4.4/32\nallowed_ip=-10.0.0.0/8\n"
    "protocol_version=1\n"
    "public_key=58402e695ba1772b1cc9309755f043251ea77fdcf10fbe63989ceb7e19321376\n"
    "remove=true\n"
    "\n";

TEST(UapiRequest, TakesEveryKeyOfASet) {
  const UapiRequest request = parse(kFullSet);
  ASSERT_EQ(code_of(request), 0);
  EXPECT_EQ(request.operation, UapiOperation::kSet);
  EXPECT_EQ(testing::to_text(request),
            "operation 1\n"
            "private a8dac1d8a70a751f0f699fb14ba1cff4b79cf4fbd8f09f44c6e6a90d0369604f\n"
            "port 12912\nmark 305419896\nreplace peers\n"
            "peer b85996fecc9c7f1fc6d2572a76eda11d59bcd20be8e543b15ce4bd85a8e75a33\n"
            " update only\n"
            " psk 188515093e952f5f22e865cef3012e72f8b5f0b598ac0309d5dacce3b70fcf52\n"
            " endpoint [abcd:23::33]:51820\n alive 65535\n replace ips\n ip 192.168.4.4/32\n"
            " ip -10.0.0.0/8\n"
            "peer 58402e695ba1772b1cc9309755f043251ea77fdcf10fbe63989ceb7e19321376\n remove\n");
}

TEST(UapiRequest, KnowsTheThreeOperations) {
  EXPECT_EQ(parse("get=1\n\n").operation, UapiOperation::kGet);
  EXPECT_EQ(parse("set=1\n\n").operation, UapiOperation::kSet);
  EXPECT_EQ(parse("get=status\n\n").operation, UapiOperation::kStatus);
  EXPECT_EQ(code_of(parse("get=status\n\n")), 0);
}

TEST(UapiRequest, RefusesOtherOperations) {
  EXPECT_EQ(code_of(parse("get=2\n\n")), EINVAL);
  EXPECT_EQ(code_of(parse("set=0\n\n")), EINVAL);
  EXPECT_EQ(parse("set=0\n\n").operation, UapiOperation::kSet);
  EXPECT_EQ(code_of(parse("put=1\n\n")), EINVAL);
  EXPECT_EQ(code_of(parse("hello\n\n")), EPROTO);
  EXPECT_EQ(code_of(parse("get=1\nlisten_port=1\n\n")), EINVAL);
  EXPECT_EQ(code_of(parse("get=1\nlisten_port\n\n")), EPROTO);
}

TEST(UapiRequest, ZerosAreValues) {
  const UapiRequest request =
      parse_set("private_key=" + std::string(64, '0') + "\nlisten_port=0\nfwmark=0\n" + kOfPeerA +
                "preshared_key=" + std::string(64, '0') +
                "\npersistent_keepalive_interval=0\nallowed_ip=::/0\n");
  ASSERT_EQ(code_of(request), 0);
  EXPECT_TRUE(request.change.private_key->is_zero());
  EXPECT_EQ(request.change.listen_port, 0);
  EXPECT_EQ(request.change.fwmark, 0u);
  EXPECT_TRUE(request.change.peers.at(0).preshared_key->is_zero());
  EXPECT_EQ(request.change.peers.at(0).persistent_keepalive, 0);
}

TEST(UapiRequest, ReplacingAllowedIpsTakesAwayTheOnesBeforeIt) {
  const UapiRequest request = parse_set(
      kOfPeerA + "allowed_ip=10.0.0.0/8\nreplace_allowed_ips=true\nallowed_ip=10.1.0.0/16\n");
  const PeerChange& peer = request.change.peers.at(0);
  EXPECT_TRUE(peer.replace_allowed_ips);
  ASSERT_EQ(peer.allowed_ips.size(), 1u);
  EXPECT_EQ(peer.allowed_ips[0].prefix.to_string(), "10.1.0.0/16");
}

TEST(UapiRequest, MasksHostBitsOfAllowedIps) {
  const UapiRequest request = parse_set(kOfPeerA + "allowed_ip=10.1.2.3/8\n");
  EXPECT_EQ(request.change.peers.at(0).allowed_ips.at(0).prefix.to_string(), "10.0.0.0/8");
}

struct Bad {
  const char* lines;
  int code;
};

class UapiBadLine : public ::testing::TestWithParam<Bad> {};

TEST_P(UapiBadLine, RefusesDeviceLine) {
  const UapiRequest request =
      parse_set("listen_port=1\n" + std::string(GetParam().lines) + "\n" + kOfPeerA);
  EXPECT_EQ(code_of(request), GetParam().code);
  EXPECT_THAT(request.refusal->message, HasSubstr("line 3"));
  EXPECT_FALSE(request.change.listen_port);
}

INSTANTIATE_TEST_SUITE_P(
    Device, UapiBadLine,
    ::testing::Values(
        Bad{"private_key=", EINVAL}, Bad{"private_key=00", EINVAL},
        Bad{"private_key=000000000000000000000000000000000000000000000000000000000000000g", EINVAL},
        Bad{"private_key=00000000000000000000000000000000000000000000000000000000000000000",
            EINVAL},
        Bad{"listen_port=", EINVAL}, Bad{"listen_port=65536", EINVAL},
        Bad{"listen_port=-1", EINVAL}, Bad{"listen_port=+1", EINVAL}, Bad{"listen_port=1 ", EINVAL},
        Bad{"listen_port=0x10", EINVAL}, Bad{"listen_port=99999999999999999999999", EINVAL},
        Bad{"listen_port=1\r", EINVAL}, Bad{"fwmark=4294967296", EINVAL}, Bad{"fwmark=off", EINVAL},
        Bad{"replace_peers=false", EINVAL}, Bad{"replace_peers=", EINVAL},
        Bad{"remove=true", EINVAL},
        Bad{"preshared_key=0000000000000000000000000000000000000000000000000000000000000000",
            EINVAL},
        Bad{"endpoint=192.0.2.1:1", EINVAL}, Bad{"protocol_version=1", EINVAL},
        Bad{"no_such_key=1", EINVAL}, Bad{"LISTEN_PORT=1", EINVAL}, Bad{"=1", EINVAL},
        Bad{" listen_port=1", EINVAL}, Bad{"listen_port", EPROTO}, Bad{" ", EPROTO},
        Bad{"\r", EPROTO}, Bad{"set=1", EINVAL}, Bad{"get=1", EINVAL}, Bad{"errno=0", EINVAL}));

class UapiBadPeerLine : public ::testing::TestWithParam<Bad> {};

TEST_P(UapiBadPeerLine, RefusesPeerLine) {
  const UapiRequest request =
      parse_set("listen_port=1\n" + kOfPeerA + std::string(GetParam().lines) + "\n");
  EXPECT_EQ(code_of(request), GetParam().code);
  EXPECT_THAT(request.refusal->message, HasSubstr("line 4"));
  EXPECT_TRUE(request.change.peers.empty());
  EXPECT_FALSE(request.change.listen_port);
}

INSTANTIATE_TEST_SUITE_P(
    Peer, UapiBadPeerLine,
    ::testing::Values(
        Bad{"public_key=aa", EINVAL}, Bad{"public_key=", EINVAL}, Bad{"listen_port=1", EINVAL},
        Bad{"private_key=0000000000000000000000000000000000000000000000000000000000000000", EINVAL},
        Bad{"replace_peers=true", EINVAL}, Bad{"fwmark=1", EINVAL}, Bad{"preshared_key=1", EINVAL},
        Bad{"endpoint=", EINVAL}, Bad{"endpoint=192.0.2.1", EINVAL},
        Bad{"endpoint=192.0.2.1:", EINVAL}, Bad{"endpoint=192.0.2.1:0", EINVAL},
        Bad{"endpoint=192.0.2.1:65536", EINVAL}, Bad{"endpoint=192.0.2:1", EINVAL},
        Bad{"endpoint=[192.0.2.1]:1", EINVAL}, Bad{"endpoint=2001:db8::1:1", EINVAL},
        Bad{"endpoint=[2001:db8::1]", EINVAL}, Bad{"endpoint=[2001:db8::1]1", EINVAL},
        Bad{"endpoint=[2001:db8::1:1", EINVAL}, Bad{"endpoint=[]:1", EINVAL},
        Bad{"endpoint=[fe80::1%]:1", EINVAL}, Bad{"endpoint=[fe80::1%nosuch]:1", EINVAL},
        Bad{"endpoint=[fe80::1%0]:1", EINVAL}, Bad{"endpoint=[fe80::1%99999999999]:1", EINVAL},
        Bad{"endpoint=example.org:1", EINVAL}, Bad{"endpoint=localhost:1", EINVAL},
        Bad{"persistent_keepalive_interval=65536", EINVAL},
        Bad{"persistent_keepalive_interval=off", EINVAL}, Bad{"allowed_ip=", EINVAL},
        Bad{"allowed_ip=10.0.0.0", EINVAL}, Bad{"allowed_ip=10.0.0.0/", EINVAL},
        Bad{"allowed_ip=10.0.0.0/33", EINVAL}, Bad{"allowed_ip=::/129", EINVAL},
        Bad{"allowed_ip=--10.0.0.0/8", EINVAL}, Bad{"allowed_ip=-", EINVAL},
        Bad{"allowed_ip=10.0.0.0/-1", EINVAL}, Bad{"allowed_ip=10.0.0.0/8,::/0", EINVAL},
        Bad{"replace_allowed_ips=1", EINVAL}, Bad{"remove=yes", EINVAL},
        Bad{"update_only=false", EINVAL}, Bad{"protocol_version=2", EINVAL},
        Bad{"protocol_version=", EINVAL}, Bad{"last_handshake_time_sec=1", EINVAL},
        Bad{"tx_bytes=1", EINVAL}, Bad{"remove", EPROTO}));

std::string endpoint_of(const std::string& text) {
  const UapiRequest request = parse_set(kOfPeerA + "endpoint=" + text + "\n");
  if (request.refusal) return "refused";
  return request.change.peers.at(0).endpoint->to_string();
}

TEST(UapiRequest, TakesEveryFormOfEndpoint) {
  EXPECT_EQ(endpoint_of("192.0.2.1:51820"), "192.0.2.1:51820");
  EXPECT_EQ(endpoint_of("[2001:db8::1]:65535"), "[2001:db8::1]:65535");
  EXPECT_EQ(endpoint_of("[fe80::1%eth0]:1"), "[fe80::1%7]:1");
  EXPECT_EQ(endpoint_of("[fe80::1%3]:1"), "[fe80::1%3]:1");
  EXPECT_EQ(endpoint_of("[::ffff:192.0.2.1]:5"), "192.0.2.1:5");
}

TEST(UapiRequest, AZoneOfAGlobalAddressIsChecked) {
  EXPECT_EQ(endpoint_of("[2001:db8::1%eth0]:1"), "[2001:db8::1]:1");
  EXPECT_EQ(endpoint_of("[2001:db8::1%nosuch]:1"), "refused");
}

TEST(UapiRequest, RefusalsNameLineKeyAndRemedyButNoValue) {
  const UapiRequest request = parse_set("private_key=" + kKeyB.substr(1) + "\n");
  EXPECT_THAT(request.refusal->message, HasSubstr("line 2"));
  EXPECT_THAT(request.refusal->message, HasSubstr("private_key"));
  EXPECT_THAT(request.refusal->message, HasSubstr("64 hexadecimal digits"));
  EXPECT_THAT(request.refusal->message, Not(HasSubstr("BBBB")));
}

TEST(UapiRequest, WhatMayBeASecretInTheWrongPlaceIsNotPrinted) {
  EXPECT_THAT(parse_set(kKeyB + "\n").refusal->message, Not(HasSubstr("BBBB")));
  EXPECT_THAT(parse_set(kKeyB + "=1\n").refusal->message, Not(HasSubstr("BBBB")));
  EXPECT_THAT(parse_set(kKeyA + "=1\n").refusal->message, Not(HasSubstr("aaaa")));
  EXPECT_THAT(parse_set("no_such_key=" + kKeyB + "\n").refusal->message, Not(HasSubstr("BBBB")));
}

TEST(UapiRequest, EveryHalfOfARequestIsIncompleteAndAsksForNothing) {
  const std::string whole = kFullSet;
  for (std::size_t len = 0; len < whole.size(); ++len) {
    UapiParser parser(known_zone);
    EXPECT_EQ(parser.feed(std::string_view(whole).substr(0, len)), len);
    EXPECT_FALSE(parser.complete()) << len;
    EXPECT_EQ(parser.in_request(), len > 0);
  }
}

TEST(UapiRequest, PiecesDoNotMatter) {
  const std::string text = std::string(kFullSet) + "get=1\n\n" + "set=1\nbad\nlisten_port=1\n\n" +
                           "\n\nset=1\n" + std::string(700, 'x') + "\n\nget=status\n\n" +
                           "set=1\nlisten_port=7\n\n";
  UapiParser whole(known_zone);
  const std::string expected = testing::parse_in_pieces(whole, text, [] { return kAll; });
  EXPECT_THAT(expected, HasSubstr("port 7"));
  UapiParser bytewise(known_zone);
  EXPECT_EQ(testing::parse_in_pieces(bytewise, text, [] { return 1; }), expected);
  for (unsigned seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    std::uniform_int_distribution<std::size_t> len(1, 1 + seed);
    UapiParser parser(known_zone);
    EXPECT_EQ(testing::parse_in_pieces(parser, text, [&] { return len(random); }), expected)
        << "seed " << seed;
  }
}

TEST(UapiRequest, StopsAtTheEndOfEachRequest) {
  UapiParser parser;
  const std::string text = "get=1\n\nset=1\n\n";
  EXPECT_EQ(parser.feed(text), 7u);
  EXPECT_TRUE(parser.complete());
  EXPECT_EQ(parser.take().operation, UapiOperation::kGet);
  EXPECT_FALSE(parser.in_request());
  EXPECT_EQ(parser.feed(std::string_view(text).substr(7)), 7u);
  EXPECT_EQ(parser.take().operation, UapiOperation::kSet);
}

TEST(UapiRequest, EmptyLinesBetweenRequestsAskForNothing) {
  UapiParser parser;
  EXPECT_EQ(parser.feed("\n\n\n"), 3u);
  EXPECT_FALSE(parser.complete());
  EXPECT_FALSE(parser.in_request());
}

TEST(UapiRequest, ARefusedRequestIsReadToItsEnd) {
  UapiParser parser;
  const std::string text = "set=1\nbad=1\n" + kOfPeerA + "\nget=1\n\n";
  const std::size_t used = parser.feed(text);
  EXPECT_EQ(used, text.size() - 7);
  EXPECT_EQ(code_of(parser.take()), EINVAL);
  EXPECT_EQ(parser.feed(std::string_view(text).substr(used)), 7u);
  EXPECT_EQ(code_of(parser.take()), 0);
}

TEST(UapiRequest, TheFirstRefusalIsTheOneThatIsTold) {
  EXPECT_THAT(parse_set("bad\nfwmark=x\n").refusal->message, HasSubstr("line 2"));
  EXPECT_EQ(code_of(parse_set("bad\nfwmark=x\n")), EPROTO);
}

TEST(UapiRequest, RefusesALongLine) {
  EXPECT_EQ(code_of(parse_set(kOfPeerA + "endpoint=" + std::string(600, '1') + "\n")), EINVAL);
  UapiParser parser;
  std::string_view line = "set=1\n";
  EXPECT_EQ(parser.feed(line), line.size());
  const std::string piece(1000, 'y');
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(parser.feed(piece), piece.size());
  EXPECT_EQ(parser.feed("\n\n"), 2u);
  EXPECT_EQ(code_of(parser.take()), EINVAL);
}

TEST(UapiRequest, Takes24000PeersWithEverythingSet) {
  std::string text = "set=1\nreplace_peers=true\n";
  for (unsigned i = 0; i < 24000; ++i) {
    text += fmt::format("public_key={:064x}\npreshared_key={:064x}\n", i + 1, i);
    text += fmt::format("endpoint=[2001:db8:aaaa:bbbb:cccc:dddd:eeee:{:x}]:51820\n", i);
    text += "persistent_keepalive_interval=25\nreplace_allowed_ips=true\n";
    text +=
        fmt::format("allowed_ip=10.{}.{}.0/24\nallowed_ip=fd00:{:x}::/64\n", i >> 8, i & 255, i);
  }
  const UapiRequest request = parse(text + "\n");
  EXPECT_EQ(code_of(request), 0);
  EXPECT_EQ(request.change.peers.size(), 24000u);
}

TEST(UapiRequest, Takes130560AllowedIpsOfOnePeer) {
  std::string text = "set=1\n" + kOfPeerA;
  for (unsigned i = 0; i < 130560; ++i) {
    text +=
        fmt::format("allowed_ip=fd00:1111:2222:3333:4444:{:x}:{:x}:0/112\n", i >> 16, i & 0xffff);
  }
  const UapiRequest request = parse(text + "\n");
  EXPECT_EQ(code_of(request), 0);
  EXPECT_EQ(request.change.peers.at(0).allowed_ips.size(), 130560u);
}

TEST(UapiRequest, RefusesARequestOf100MbOfValidLinesAndKeepsNothingOfIt) {
  UapiParser parser;
  const std::string begin = "set=1\n" + kOfPeerA;
  EXPECT_EQ(parser.feed(begin), begin.size());
  std::string lines;
  while (lines.size() < 1'000'000) lines += "allowed_ip=10.0.0.0/8\n";
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(parser.feed(lines), lines.size());
    EXPECT_FALSE(parser.hopeless());
  }
  EXPECT_EQ(parser.feed("\n"), 1u);
  const UapiRequest request = parser.take();
  EXPECT_EQ(code_of(request), EMSGSIZE);
  EXPECT_THAT(request.refusal->message, HasSubstr("send it in several"));
  EXPECT_EQ(request.change.peers.capacity(), 0u);
}

TEST(UapiRequest, ALimitCountsTheWholeRequestAndEachOneAlone) {
  UapiLimits limits;
  limits.max_request_len = 100;
  const std::string small = "set=1\nlisten_port=1\n\n";
  UapiParser parser({}, limits);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(parser.feed(small), small.size());
    EXPECT_EQ(code_of(parser.take()), 0);
  }
  std::string large = "set=1\n";
  for (int i = 0; i < 8; ++i) large += "listen_port=1\n";
  EXPECT_EQ(parser.feed(large + "\n"), large.size() + 1);
  EXPECT_EQ(code_of(parser.take()), EMSGSIZE);
}

TEST(UapiRequest, GivesUpOnARequestThatNeverEnds) {
  UapiLimits limits;
  limits.max_request_len = 100;
  limits.max_discarded_len = 1000;
  UapiParser parser({}, limits);
  const std::string text(1001, 'z');
  EXPECT_EQ(parser.feed(text), text.size());
  EXPECT_TRUE(parser.hopeless());
}

TEST(UapiRequest, TheSamePeerTwiceStaysTwoChangesInOrder) {
  const UapiRequest request =
      parse_set(kOfPeerA + "remove=true\n" + kOfPeerA + "update_only=true\n");
  ASSERT_EQ(request.change.peers.size(), 2u);
  EXPECT_TRUE(request.change.peers[0].remove);
  EXPECT_FALSE(request.change.peers[1].remove);
  EXPECT_TRUE(request.change.peers[1].update_only);
}

}  // namespace
}  // namespace hawser
