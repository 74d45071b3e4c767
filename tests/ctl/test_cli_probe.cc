#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "ctl/cli_probe.h"
#include "ctl/echo_message.h"
#include "ctl/probe_log.h"
#include "routing/checksum.h"

namespace hawser {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Arrival = ProbeLog::Arrival;

Instant at(int ms) { return Instant{} + milliseconds(ms); }

TEST(ProbeLog, CountsWhatCameBackAndHowFast) {
  ProbeLog log(seconds(1));
  for (int i = 0; i < 3; ++i) log.sent(static_cast<std::uint64_t>(i + 1), at(i * 100), "server1");
  EXPECT_EQ(log.received(2, at(210)), Arrival::kFirst);
  EXPECT_EQ(log.received(1, at(220)), Arrival::kFirst);
  EXPECT_EQ(log.received(1, at(230)), Arrival::kDuplicate);
  EXPECT_EQ(log.received(9, at(230)), Arrival::kUnsought);
  EXPECT_EQ(log.received(0, at(230)), Arrival::kUnsought);
  EXPECT_FALSE(log.all_came_back());
  EXPECT_EQ(log.received(3, at(300)), Arrival::kFirst);
  EXPECT_TRUE(log.all_came_back());
  EXPECT_EQ(log.num_duplicates(), 1u);
  EXPECT_EQ(log.round_trips(), "100 ms / 143 ms / 220 ms");
}

TEST(ProbeLog, AnAnswerAfterTheTimeoutIsLateAndItsProbeLost) {
  ProbeLog log(seconds(1));
  log.sent(1, at(0), "");
  EXPECT_EQ(log.next_expiry(), at(1000) + Duration(1));
  log.expire(at(1000));
  EXPECT_FALSE(log.all_settled());
  log.expire(at(1001));
  EXPECT_TRUE(log.all_settled());
  EXPECT_EQ(log.num_lost(), 1u);
  EXPECT_EQ(log.received(1, at(1100)), Arrival::kLate);
  EXPECT_EQ(log.num_received(), 0u);
  EXPECT_FALSE(log.all_came_back());
}

TEST(ProbeLog, NamesLostStretches) {
  ProbeLog log(milliseconds(50));
  for (int i = 1; i <= 9; ++i) {
    log.sent(static_cast<std::uint64_t>(i), at(i * 10), "");
    if (i != 3 && i < 7) log.received(static_cast<std::uint64_t>(i), at(i * 10 + 1));
  }
  log.expire(at(1000));
  EXPECT_EQ(log.lost_numbers(), "3, 7-9");
  EXPECT_EQ(log.num_lost(), 4u);
}

TEST(ProbeLog, TheLongestGapIsBetweenAnswers) {
  ProbeLog log(seconds(1));
  for (int i = 1; i <= 40; ++i) {
    log.sent(static_cast<std::uint64_t>(i), at(i * 100), i < 15 ? "server1" : "server2");
    // Dead from 1.05 s to 2.95 s.
    if (i <= 10 || i >= 30) log.received(static_cast<std::uint64_t>(i), at(i * 100 + 5));
  }
  EXPECT_EQ(log.longest_gap(), seconds(2));
  EXPECT_THAT(log.carriers(), ElementsAre("server1", "server2"));
}

TEST(ProbeLog, SilenceAtBothEndsCounts) {
  ProbeLog at_start(seconds(9));
  at_start.sent(1, at(0), "");
  at_start.sent(2, at(700), "");
  at_start.received(2, at(710));
  EXPECT_EQ(at_start.longest_gap(), milliseconds(710));
  ProbeLog at_end(seconds(9));
  at_end.sent(1, at(0), "");
  at_end.received(1, at(10));
  at_end.sent(2, at(700), "");
  EXPECT_EQ(at_end.longest_gap(), milliseconds(690));
}

TEST(ProbeLog, WhatCouldNotBeSentIsLost) {
  ProbeLog log(seconds(1));
  log.sent(1, at(0), "");
  log.not_sent(1, "Network is unreachable");
  EXPECT_TRUE(log.all_settled());
  EXPECT_EQ(log.num_lost(), 1u);
  EXPECT_EQ(log.last_error(), "Network is unreachable");
}

CliArguments arguments_of(CliCommand command) {
  CliArguments arguments;
  arguments.command = command;
  return arguments;
}

TEST(ProbeVerdict, GoldenWantsEveryOne) {
  ProbeLog log(seconds(1));
  log.sent(1, at(0), "server1");
  log.received(1, at(1));
  const CliArguments golden = arguments_of(CliCommand::kProbeGolden);
  EXPECT_TRUE(judge_probes(golden, log, false).success);
  EXPECT_FALSE(judge_probes(golden, log, true).success);
  log.sent(2, at(10), "server1");
  log.expire(at(5000));
  const ProbeVerdict verdict = judge_probes(golden, log, false);
  EXPECT_FALSE(verdict.success);
  EXPECT_THAT(verdict.text, HasSubstr("sent 2, received 1, lost 1, "));
  EXPECT_THAT(verdict.text, HasSubstr("lost: 2\n"));
  EXPECT_FALSE(judge_probes(golden, ProbeLog(seconds(1)), false).success);
}

TEST(ProbeVerdict, LoopWantsSomeAndNoLongerGapThanAsked) {
  ProbeLog log(seconds(9));
  CliArguments loop = arguments_of(CliCommand::kProbeLoop);
  log.sent(1, at(0), "server1");
  EXPECT_FALSE(judge_probes(loop, log, false).success);
  EXPECT_THAT(judge_probes(loop, log, false).text, Not(HasSubstr("gap")))
      << "nothing came back, so that there is no end of it";
  log.received(1, at(3000));
  EXPECT_TRUE(judge_probes(loop, log, false).success);
  EXPECT_THAT(judge_probes(loop, log, false).text,
              HasSubstr("longest gap 3.00 s, carried by server1\n"));
  loop.max_gap = seconds(2);
  EXPECT_FALSE(judge_probes(loop, log, false).success);
}

TEST(EchoMessage, ComesBackAsItsNumber) {
  const EchoRun run{7, 0x1122334455667788};
  for (const IpFamily family : {IpFamily::kV4, IpFamily::kV6}) {
    std::vector<std::uint8_t> message = make_echo_request(family, run, 70'000);
    EXPECT_EQ(parse_echo_reply(family, run, message), std::nullopt);  // a request
    message[0] = family == IpFamily::kV4 ? 0 : 129;
    EXPECT_EQ(parse_echo_reply(family, run, message), 70'000u);
    EXPECT_EQ(parse_echo_reply(family, EchoRun{7, 1}, message), std::nullopt);
    message.pop_back();
    EXPECT_EQ(parse_echo_reply(family, run, message), std::nullopt);
    EXPECT_EQ(parse_echo_reply(family, run, {}), std::nullopt);
  }
}

TEST(EchoMessage, AnIpv4RequestHasItsChecksum) {
  EXPECT_EQ(checksum_finish(checksum_add(0, make_echo_request(IpFamily::kV4, {1, 2}, 3))), 0);
}

}  // namespace
}  // namespace hawser
