#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "ctl/cli_arguments.h"

namespace hawser {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

CliOutcome parse_command(std::vector<const char*> words) {
  words.insert(words.begin(), "hawser");
  return parse_cli_arguments(static_cast<int>(words.size()), words.data());
}

CliArguments accept_command(const std::vector<const char*>& words) {
  CliOutcome outcome = parse_command(words);
  EXPECT_TRUE(outcome.arguments.has_value()) << outcome.text;
  return outcome.arguments.value_or(CliArguments{});
}

// One line that begins with the program's name.
std::string refuse_command(const std::vector<const char*>& words) {
  const CliOutcome outcome = parse_command(words);
  EXPECT_FALSE(outcome.arguments.has_value());
  EXPECT_EQ(outcome.exit_code, kCliUsageError);
  EXPECT_THAT(outcome.text, ::testing::StartsWith("hawser: "));
  EXPECT_EQ(outcome.text.find('\n'), outcome.text.size() - 1);
  return outcome.text;
}

TEST(CliArguments, ReadsEveryCommand) {
  EXPECT_EQ(accept_command({"keygen", "k"}).key_file, "k");
  EXPECT_EQ(accept_command({"pubkey"}).command, CliCommand::kPubkey);
  EXPECT_EQ(accept_command({"check", "vpn.toml"}).network_file, "vpn.toml");
  const CliArguments plan =
      accept_command({"plan", "new.toml", "--host", "a", "--diff", "old.toml"});
  EXPECT_EQ(plan.command, CliCommand::kPlan);
  EXPECT_EQ(plan.diff_file, "old.toml");
  EXPECT_EQ(plan.host, "a");
  EXPECT_TRUE(accept_command({"status", "--json"}).json);
  EXPECT_EQ(accept_command({"top", "wg0"}).interface, "wg0");
  EXPECT_EQ(accept_command({"top"}).refresh, seconds(2));
  EXPECT_EQ(accept_command({"reload", "--confirm", "60"}).confirm_seconds, 60u);
  EXPECT_EQ(accept_command({"reload", "--confirm", "60s"}).confirm_seconds, 60u);
  EXPECT_EQ(accept_command({"reload", "--confirm", "1m"}).confirm_seconds, 60u);
  EXPECT_EQ(accept_command({"reload", "--confirm", "24h"}).confirm_seconds, 86'400u);
  EXPECT_EQ(accept_command({"reload", "vpn"}).confirm_seconds, std::nullopt);
  EXPECT_EQ(accept_command({"reload", "--pid", "812"}).pid, 812);
  EXPECT_EQ(accept_command({"confirm", "vpn"}).interface, "vpn");
}

TEST(CliArguments, AnInterfaceAndPeersCanBeToldApart) {
  const CliArguments sure =
      accept_command({"wait", "--handshake", "a", "b", "--timeout", "2", "--interface", "vpn"});
  EXPECT_EQ(sure.interface, "vpn");
  EXPECT_TRUE(sure.is_surely_interface);
  EXPECT_THAT(sure.wait_peers, ElementsAre("a", "b"));
  EXPECT_EQ(sure.timeout, seconds(2));
  EXPECT_FALSE(accept_command({"wait", "vpn", "--handshake"}).is_surely_interface);
  EXPECT_THAT(refuse_command({"wait", "a", "--handshake", "--interface", "vpn"}),
              HasSubstr("only one can be meant"));
}

TEST(CliArguments, SaysHowLongADaemonMayBeSilent) {
  EXPECT_EQ(accept_command({"status"}).timeout, seconds(3));
  EXPECT_EQ(accept_command({"status", "--timeout", "500ms"}).timeout, milliseconds(500));
  EXPECT_EQ(accept_command({"reload", "--timeout", "2"}).timeout, seconds(2));
  EXPECT_EQ(accept_command({"confirm"}).timeout, seconds(3));
}

TEST(CliArguments, WaitsForPeersOrForHandshakesOfAllOrSome) {
  const CliArguments peers = accept_command({"wait", "vpn", "--peers", "--timeout", "5"});
  EXPECT_FALSE(peers.wait_handshake);
  EXPECT_EQ(peers.timeout, seconds(5));
  const CliArguments all = accept_command({"wait", "vpn", "--handshake"});
  EXPECT_TRUE(all.wait_handshake);
  EXPECT_THAT(all.wait_peers, IsEmpty());
  EXPECT_EQ(all.interface, "vpn");
  const CliArguments all_and_more = accept_command({"wait", "--handshake", "--timeout", "1m"});
  EXPECT_THAT(all_and_more.wait_peers, IsEmpty());
  EXPECT_EQ(all_and_more.timeout, seconds(60));
  const CliArguments some = accept_command({"wait", "--handshake", "a", "b", "--timeout", "500ms"});
  EXPECT_THAT(some.wait_peers, ElementsAre("a", "b"));
  EXPECT_THAT(refuse_command({"wait", "vpn"}), HasSubstr("--peers, or --handshake"));
  refuse_command({"wait", "--peers", "--handshake"});
}

TEST(CliArguments, ReadsProbes) {
  const CliArguments golden = accept_command({"probe", "golden", "--to", "a", "--count", "20"});
  EXPECT_EQ(golden.command, CliCommand::kProbeGolden);
  EXPECT_EQ(golden.count, 20u);
  EXPECT_EQ(golden.interval, milliseconds(200));
  const CliArguments loop = accept_command(
      {"probe", "loop", "--to", "a", "--duration", "30", "--interval", "100ms", "--max-gap", "5s"});
  EXPECT_EQ(loop.command, CliCommand::kProbeLoop);
  EXPECT_EQ(loop.duration, seconds(30));
  EXPECT_EQ(loop.max_gap, seconds(5));
}

TEST(CliArguments, NamesWhatIsWrong) {
  EXPECT_THAT(refuse_command({"stats"}), HasSubstr("did you mean status?"));
  EXPECT_THAT(refuse_command({"status", "--jsno"}), HasSubstr("did you mean --json?"));
  EXPECT_THAT(refuse_command({"plan", "f", "--hsot", "a"}), HasSubstr("--host"));
  EXPECT_THAT(refuse_command({"plan", "f"}), HasSubstr("--host"));
  EXPECT_THAT(refuse_command({"plan", "f", "--host", "a", "--json", "--wg-quick"}),
              HasSubstr("--json"));
  EXPECT_THAT(refuse_command({"check", "f", "--private-key-file", "k"}), HasSubstr("--host"));
  EXPECT_THAT(refuse_command({"keygen"}), HasSubstr("FILE"));
  EXPECT_THAT(refuse_command({"reload", "--confirm", "soon"}), HasSubstr("--confirm soon"));
  EXPECT_THAT(refuse_command({"reload", "--confirm", "0"}), HasSubstr("--confirm 0"));
  EXPECT_THAT(refuse_command({"reload", "--confirm", "500ms"}), HasSubstr("too short"));
  EXPECT_THAT(refuse_command({"reload", "--confirm", "25h"}), HasSubstr("too long"));
  EXPECT_THAT(refuse_command({"wait", "--peers", "--timeout", "x"}), HasSubstr("--timeout x"));
  EXPECT_THAT(refuse_command({"probe"}), HasSubstr("hawser probe --help"));
  EXPECT_THAT(refuse_command({"probe", "golden", "--to", "a", "--count", "0"}),
              HasSubstr("--count 0"));
  EXPECT_THAT(refuse_command({"probe", "loop", "--to", "a"}), HasSubstr("--duration"));
  EXPECT_THAT(
      refuse_command({"probe", "loop", "--to", "a", "--duration", "5", "--interval", "1us"}),
      HasSubstr("--interval 1us"));
  refuse_command({});
}

TEST(CliArguments, HelpIsOfTheCommandThatIsAskedFor) {
  const CliOutcome outcome = parse_command({"probe", "golden", "--help"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.text, HasSubstr("--count"));
  EXPECT_THAT(outcome.text, HasSubstr("Usage: hawser probe golden "));
  EXPECT_THAT(parse_command({"--help"}).text, HasSubstr("keygen"));
  EXPECT_THAT(parse_command({"--version"}).text, HasSubstr("hawser "));
}

}  // namespace
}  // namespace hawser
