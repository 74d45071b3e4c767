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

CliOutcome parse(std::vector<const char*> words) {
  words.insert(words.begin(), "hawser");
  return parse_cli_arguments(static_cast<int>(words.size()), words.data());
}

CliArguments accept(const std::vector<const char*>& words) {
  CliOutcome outcome = parse(words);
  EXPECT_TRUE(outcome.arguments.has_value()) << outcome.text;
  return outcome.arguments.value_or(CliArguments{});
}

// One line that begins with the program's name.
std::string refuse(const std::vector<const char*>& words) {
  const CliOutcome outcome = parse(words);
  EXPECT_FALSE(outcome.arguments.has_value());
  EXPECT_EQ(outcome.exit_code, kCliUsageError);
  EXPECT_THAT(outcome.text, ::testing::StartsWith("hawser: "));
  EXPECT_EQ(outcome.text.find('\n'), outcome.text.size() - 1);
  return outcome.text;
}

TEST(CliArguments, ReadsEveryCommand) {
  EXPECT_EQ(accept({"keygen", "k"}).key_file, "k");
  EXPECT_EQ(accept({"pubkey"}).command, CliCommand::kPubkey);
  EXPECT_EQ(accept({"check", "vpn.toml"}).network_file, "vpn.toml");
  const CliArguments plan = accept({"plan", "new.toml", "--host", "a", "--diff", "old.toml"});
  EXPECT_EQ(plan.command, CliCommand::kPlan);
  EXPECT_EQ(plan.diff_file, "old.toml");
  EXPECT_EQ(plan.host, "a");
  EXPECT_TRUE(accept({"status", "--json"}).json);
  EXPECT_EQ(accept({"top", "wg0"}).interface, "wg0");
  EXPECT_EQ(accept({"top"}).refresh, seconds(2));
  EXPECT_EQ(accept({"reload", "--confirm", "60"}).confirm_seconds, 60u);
  EXPECT_EQ(accept({"reload", "--confirm", "60s"}).confirm_seconds, 60u);
  EXPECT_EQ(accept({"reload", "--confirm", "1m"}).confirm_seconds, 60u);
  EXPECT_EQ(accept({"reload", "--confirm", "24h"}).confirm_seconds, 86'400u);
  EXPECT_EQ(accept({"reload", "vpn"}).confirm_seconds, std::nullopt);
  EXPECT_EQ(accept({"reload", "--pid", "812"}).pid, 812);
  EXPECT_EQ(accept({"confirm", "vpn"}).interface, "vpn");
}

TEST(CliArguments, AnInterfaceAndPeersCanBeToldApart) {
  const CliArguments sure =
      accept({"wait", "--handshake", "a", "b", "--timeout", "2", "--interface", "vpn"});
  EXPECT_EQ(sure.interface, "vpn");
  EXPECT_TRUE(sure.is_surely_interface);
  EXPECT_THAT(sure.wait_peers, ElementsAre("a", "b"));
  EXPECT_EQ(sure.timeout, seconds(2));
  EXPECT_FALSE(accept({"wait", "vpn", "--handshake"}).is_surely_interface);
  EXPECT_THAT(refuse({"wait", "a", "--handshake", "--interface", "vpn"}),
              HasSubstr("only one can be meant"));
}

TEST(CliArguments, SaysHowLongADaemonMayBeSilent) {
  EXPECT_EQ(accept({"status"}).timeout, seconds(3));
  EXPECT_EQ(accept({"status", "--timeout", "500ms"}).timeout, milliseconds(500));
  EXPECT_EQ(accept({"reload", "--timeout", "2"}).timeout, seconds(2));
  EXPECT_EQ(accept({"confirm"}).timeout, seconds(3));
}

TEST(CliArguments, WaitsForPeersOrForHandshakesOfAllOrSome) {
  const CliArguments peers = accept({"wait", "vpn", "--peers", "--timeout", "5"});
  EXPECT_FALSE(peers.wait_handshake);
  EXPECT_EQ(peers.timeout, seconds(5));
  const CliArguments all = accept({"wait", "vpn", "--handshake"});
  EXPECT_TRUE(all.wait_handshake);
  EXPECT_THAT(all.wait_peers, IsEmpty());
  EXPECT_EQ(all.interface, "vpn");
  const CliArguments all_and_more = accept({"wait", "--handshake", "--timeout", "1m"});
  EXPECT_THAT(all_and_more.wait_peers, IsEmpty());
  EXPECT_EQ(all_and_more.timeout, seconds(60));
  const CliArguments some = accept({"wait", "--handshake", "a", "b", "--timeout", "500ms"});
  EXPECT_THAT(some.wait_peers, ElementsAre("a", "b"));
  EXPECT_THAT(refuse({"wait", "vpn"}), HasSubstr("--peers, or --handshake"));
  refuse({"wait", "--peers", "--handshake"});
}

TEST(CliArguments, ReadsProbes) {
  const CliArguments golden = accept({"probe", "golden", "--to", "a", "--count", "20"});
  EXPECT_EQ(golden.command, CliCommand::kProbeGolden);
  EXPECT_EQ(golden.count, 20u);
  EXPECT_EQ(golden.interval, milliseconds(200));
  const CliArguments loop = accept(
      {"probe", "loop", "--to", "a", "--duration", "30", "--interval", "100ms", "--max-gap", "5s"});
  EXPECT_EQ(loop.command, CliCommand::kProbeLoop);
  EXPECT_EQ(loop.duration, seconds(30));
  EXPECT_EQ(loop.max_gap, seconds(5));
}

TEST(CliArguments, NamesWhatIsWrong) {
  EXPECT_THAT(refuse({"stats"}), HasSubstr("did you mean status?"));
  EXPECT_THAT(refuse({"status", "--jsno"}), HasSubstr("did you mean --json?"));
  EXPECT_THAT(refuse({"plan", "f", "--hsot", "a"}), HasSubstr("--host"));
  EXPECT_THAT(refuse({"plan", "f"}), HasSubstr("--host"));
  EXPECT_THAT(refuse({"plan", "f", "--host", "a", "--json", "--wg-quick"}), HasSubstr("--json"));
  EXPECT_THAT(refuse({"check", "f", "--private-key-file", "k"}), HasSubstr("--host"));
  EXPECT_THAT(refuse({"keygen"}), HasSubstr("FILE"));
  EXPECT_THAT(refuse({"reload", "--confirm", "soon"}), HasSubstr("--confirm soon"));
  EXPECT_THAT(refuse({"reload", "--confirm", "0"}), HasSubstr("--confirm 0"));
  EXPECT_THAT(refuse({"reload", "--confirm", "500ms"}), HasSubstr("too short"));
  EXPECT_THAT(refuse({"reload", "--confirm", "25h"}), HasSubstr("too long"));
  EXPECT_THAT(refuse({"wait", "--peers", "--timeout", "x"}), HasSubstr("--timeout x"));
  EXPECT_THAT(refuse({"probe"}), HasSubstr("hawser probe --help"));
  EXPECT_THAT(refuse({"probe", "golden", "--to", "a", "--count", "0"}), HasSubstr("--count 0"));
  EXPECT_THAT(refuse({"probe", "loop", "--to", "a"}), HasSubstr("--duration"));
  EXPECT_THAT(refuse({"probe", "loop", "--to", "a", "--duration", "5", "--interval", "1us"}),
              HasSubstr("--interval 1us"));
  refuse({});
}

TEST(CliArguments, HelpIsOfTheCommandThatIsAskedFor) {
  const CliOutcome outcome = parse({"probe", "golden", "--help"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.text, HasSubstr("--count"));
  EXPECT_THAT(outcome.text, HasSubstr("Usage: hawser probe golden "));
  EXPECT_THAT(parse({"--help"}).text, HasSubstr("keygen"));
  EXPECT_THAT(parse({"--version"}).text, HasSubstr("hawser "));
}

}  // namespace
}  // namespace hawser
