#include "ctl/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

namespace hawser {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// A variable of the environment for as long as one test wants it.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) { ::setenv(name, value, 1); }
  ~Variable() { ::unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
};

OptionsOutcome parse(std::vector<const char*> words) {
  words.insert(words.begin(), "hawserd");
  return parse_daemon_options(static_cast<int>(words.size()), words.data());
}

DaemonOptions accept(const std::vector<const char*>& words) {
  OptionsOutcome outcome = parse(words);
  EXPECT_TRUE(outcome.options.has_value()) << outcome.text;
  return outcome.options.value_or(DaemonOptions{});
}

// The one line that a refusal prints.
std::string refuse(const std::vector<const char*>& words) {
  const OptionsOutcome outcome = parse(words);
  EXPECT_FALSE(outcome.options.has_value());
  EXPECT_NE(outcome.exit_code, 0);
  EXPECT_THAT(outcome.text, AllOf(StartsWith("hawserd: "), EndsWith("\n")));
  EXPECT_EQ(std::count(outcome.text.begin(), outcome.text.end(), '\n'), 1) << outcome.text;
  return outcome.text;
}

TEST(Options, AnInterfaceIsEnough) {
  const DaemonOptions options = accept({"wg0"});
  EXPECT_EQ(options.interface, "wg0");
  EXPECT_FALSE(options.foreground);
  EXPECT_EQ(options.forward, ForwardMode::kKernel);
  EXPECT_FALSE(options.no_tun);
  EXPECT_EQ(options.engine, EngineKind::kAuto);
  EXPECT_EQ(options.aead, AeadKind::kAuto);
  EXPECT_EQ(options.num_workers, 0u);
  EXPECT_EQ(options.mtu, 1420u);
  EXPECT_EQ(options.listen_port, 0);
  EXPECT_EQ(options.fwmark, 0u);
  EXPECT_EQ(options.verbosity, Verbosity::kInfo);
  EXPECT_EQ(options.state_dir, "/var/lib/hawser");
  EXPECT_EQ(options.control_dir, "/var/run/wireguard");
  EXPECT_EQ(options.tun_fd, -1);
  EXPECT_EQ(options.uapi_fd, -1);
}

TEST(Options, TakesEveryOption) {
  const DaemonOptions options =
      accept({"-f", "--forward=direct", "--no-tun", "--address", "10.1.2.3/24", "--address=fd00::1",
              "--engine=epoll", "--workers", "3", "--mtu=9000", "--listen-port=51820",
              "--private-key-file=/etc/key", "--fwmark=0xca6c", "--aead=boringssl",
              "--log-level=debug", "--state-dir=/tmp/s", "--control-dir=/tmp/c", "relay0"});
  EXPECT_EQ(options.interface, "relay0");
  EXPECT_TRUE(options.foreground);
  EXPECT_EQ(options.forward, ForwardMode::kDirect);
  EXPECT_TRUE(options.no_tun);
  EXPECT_THAT(options.addresses,
              ElementsAre(*IpAddress::parse("10.1.2.3"), *IpAddress::parse("fd00::1")));
  EXPECT_EQ(options.engine, EngineKind::kEpoll);
  EXPECT_EQ(options.num_workers, 3u);
  EXPECT_EQ(options.mtu, 9000u);
  EXPECT_EQ(options.listen_port, 51820);
  EXPECT_EQ(options.private_key_file, "/etc/key");
  EXPECT_EQ(options.fwmark, 0xca6cu);
  EXPECT_EQ(options.aead, AeadKind::kBoringSsl);
  EXPECT_EQ(options.verbosity, Verbosity::kDebug);
  EXPECT_EQ(options.state_dir, "/tmp/s");
  EXPECT_EQ(options.control_dir, "/tmp/c");
}

TEST(Options, EveryOptionHasAVariableOfTheEnvironment) {
  const Variable variables[] = {{"HAWSER_FOREGROUND", "1"},
                                {"HAWSER_FORWARD", "none"},
                                {"HAWSER_NO_TUN", "true"},
                                {"HAWSER_ADDRESS", "10.0.0.1,fd00::1/64"},
                                {"HAWSER_ENGINE", "io_uring"},
                                {"HAWSER_WORKERS", "2"},
                                {"HAWSER_MTU", "1280"},
                                {"HAWSER_LISTEN_PORT", "5"},
                                {"HAWSER_PRIVATE_KEY_FILE", "/k"},
                                {"HAWSER_FWMARK", "7"},
                                {"HAWSER_AEAD", "ipsec-mb"},
                                {"HAWSER_LOG_LEVEL", "silent"},
                                {"HAWSER_STATE_DIR", "/s"},
                                {"HAWSER_CONTROL_DIR", "/c"}};
  const DaemonOptions options = accept({"wg0"});
  EXPECT_TRUE(options.foreground);
  EXPECT_EQ(options.forward, ForwardMode::kNone);
  EXPECT_TRUE(options.no_tun);
  EXPECT_THAT(options.addresses,
              ElementsAre(*IpAddress::parse("10.0.0.1"), *IpAddress::parse("fd00::1")));
  EXPECT_EQ(options.engine, EngineKind::kIoUring);
  EXPECT_EQ(options.num_workers, 2u);
  EXPECT_EQ(options.mtu, 1280u);
  EXPECT_EQ(options.listen_port, 5);
  EXPECT_EQ(options.private_key_file, "/k");
  EXPECT_EQ(options.fwmark, 7u);
  EXPECT_EQ(options.aead, AeadKind::kIpsecMb);
  EXPECT_EQ(options.verbosity, Verbosity::kSilent);
  EXPECT_EQ(options.state_dir, "/s");
  EXPECT_EQ(options.control_dir, "/c");
}

TEST(Options, TheCommandLineGoesBeforeTheEnvironment) {
  const Variable port("HAWSER_LISTEN_PORT", "1");
  const Variable level("HAWSER_LOG_LEVEL", "error");
  const Variable common_level("LOG_LEVEL", "silent");
  const DaemonOptions options = accept({"--listen-port=2", "wg0"});
  EXPECT_EQ(options.listen_port, 2);
  EXPECT_EQ(options.verbosity, Verbosity::kError);
}

TEST(Options, AFalseVariableTurnsAFlagOff) {
  const Variable no_tun("HAWSER_NO_TUN", "0");
  const Variable foreground("HAWSER_FOREGROUND", "false");
  const DaemonOptions options = accept({"wg0"});
  EXPECT_FALSE(options.no_tun);
  EXPECT_FALSE(options.foreground);
}

TEST(Options, KnowsTheVariablesOfOtherImplementations) {
  {
    const Variable foreground("WG_PROCESS_FOREGROUND", "1");
    const Variable tun("WG_TUN_FD", "7");
    const Variable uapi("WG_UAPI_FD", "8");
    const Variable level("LOG_LEVEL", "verbose");
    const DaemonOptions options = accept({"wg0"});
    EXPECT_TRUE(options.foreground);
    EXPECT_EQ(options.tun_fd, 7);
    EXPECT_EQ(options.uapi_fd, 8);
    EXPECT_EQ(options.verbosity, Verbosity::kDebug);
  }
  const Variable foreign("LOG_LEVEL", "WARN");
  EXPECT_EQ(accept({"wg0"}).verbosity, Verbosity::kInfo);
  const Variable bad("WG_TUN_FD", "seven");
  EXPECT_THAT(refuse({"wg0"}), HasSubstr("WG_TUN_FD"));
}

TEST(Options, AnUnknownOptionIsAnsweredWithTheNearest) {
  EXPECT_THAT(refuse({"--listenport=1", "wg0"}), HasSubstr("did you mean --listen-port?"));
  EXPECT_THAT(refuse({"--worker", "2", "wg0"}), HasSubstr("did you mean --workers?"));
  EXPECT_THAT(refuse({"--foregruond", "wg0"}), HasSubstr("did you mean --foreground?"));
  EXPECT_THAT(refuse({"wg0", "--no-tum"}), HasSubstr("did you mean --no-tun?"));
  EXPECT_THAT(refuse({"--xyzzyplugh", "wg0"}), HasSubstr("--help"));
  EXPECT_THAT(refuse({"-q", "wg0"}), HasSubstr("-q"));
  EXPECT_THAT(refuse({"--nonsense"}), HasSubstr("--nonsense"));
}

TEST(Options, RefusalsNameOptionValueAndWhatIsWanted) {
  EXPECT_THAT(refuse({}), HasSubstr("INTERFACE"));
  EXPECT_THAT(refuse({"wg0", "wg1"}), HasSubstr("\"wg1\""));
  EXPECT_THAT(refuse({"sixteen-bytes-xx"}), HasSubstr("sixteen-bytes-xx"));
  EXPECT_THAT(refuse({"a/b"}), HasSubstr("a/b"));
  EXPECT_THAT(refuse({"--engine=uring", "wg0"}), HasSubstr("auto, io_uring, epoll"));
  EXPECT_THAT(refuse({"--aead=aes", "wg0"}), HasSubstr("auto, boringssl, ipsec-mb"));
  EXPECT_THAT(refuse({"--forward=all", "wg0"}), HasSubstr("kernel, direct, none"));
  EXPECT_THAT(refuse({"--workers=0", "wg0"}), HasSubstr("HAWSER_WORKERS"));
  EXPECT_THAT(refuse({"--workers=two", "wg0"}), HasSubstr("\"two\""));
  EXPECT_THAT(refuse({"--mtu=67", "wg0"}), HasSubstr("68"));
  EXPECT_THAT(refuse({"--listen-port=65536", "wg0"}), HasSubstr("65535"));
  EXPECT_THAT(refuse({"--listen-port=-1", "wg0"}), HasSubstr("--listen-port"));
  EXPECT_THAT(refuse({"--fwmark=red", "wg0"}), HasSubstr("off"));
  EXPECT_THAT(refuse({"--address=10.0.0.0/33", "wg0"}), HasSubstr("10.0.0.0/33"));
  EXPECT_THAT(refuse({"--address=here", "wg0"}), HasSubstr("here"));
  EXPECT_THAT(refuse({"--log-level=loud", "wg0"}), HasSubstr("verbose"));
  EXPECT_THAT(refuse({"--listen-port"}), HasSubstr("--listen-port"));
}

TEST(Options, WithoutTunPacketsForPeersAreRelayedUnlessToldOtherwise) {
  EXPECT_EQ(accept({"--no-tun", "r"}).forward, ForwardMode::kDirect);
  EXPECT_EQ(accept({"--no-tun", "--forward=none", "r"}).forward, ForwardMode::kNone);
  EXPECT_THAT(refuse({"--no-tun", "--forward=kernel", "r"}), HasSubstr("direct and none"));
}

TEST(Options, RelativeDirectoriesAreMadeAbsolute) {
  const DaemonOptions options =
      accept({"--state-dir=s", "--control-dir=c", "--private-key-file=k", "wg0"});
  const std::string here = std::filesystem::current_path().string();
  EXPECT_EQ(options.state_dir, here + "/s");
  EXPECT_EQ(options.control_dir, here + "/c");
  EXPECT_EQ(options.private_key_file, here + "/k");
}

TEST(Options, WhatRunsButNotAsItWasMeantIsAWarning) {
  EXPECT_THAT(accept({"wg0", "--mtu=1280", "--no-tun", "--address=10.0.0.1"}).warnings,
              ::testing::IsEmpty());
  EXPECT_THAT(accept({"wg0", "--address=10.0.0.1/24"}).warnings,
              ElementsAre(AllOf(HasSubstr("10.0.0.1"), HasSubstr("no effect"))));
  EXPECT_THAT(accept({"wg0", "--mtu=1279"}).warnings,
              ElementsAre(AllOf(HasSubstr("1279"), HasSubstr("1280"), HasSubstr("IPv6"))));
  const Variable level("LOG_LEVEL", "foo");
  EXPECT_THAT(accept({"wg0"}).warnings, ElementsAre(HasSubstr("LOG_LEVEL=\"foo\"")));
  EXPECT_THAT(accept({"wg0", "--log-level=error"}).warnings, ::testing::IsEmpty());
}

TEST(Options, AVariableThatNoOptionHasIsAWarningWithTheNearest) {
  const Variable typo("HAWSER_LISTENPORT", "51820");
  EXPECT_THAT(accept({"wg0"}).warnings,
              ElementsAre(AllOf(HasSubstr("HAWSER_LISTENPORT"),
                                HasSubstr("did you mean HAWSER_LISTEN_PORT?"))));
}

TEST(Options, HelpAndVersionEndWell) {
  for (const char* word : {"--help", "-h"}) {
    const OptionsOutcome outcome = parse({word});
    EXPECT_EQ(outcome.exit_code, 0);
    EXPECT_THAT(outcome.text, AllOf(HasSubstr("INTERFACE"), HasSubstr("--listen-port"),
                                    HasSubstr("HAWSER_LISTEN_PORT")));
  }
  for (const char* word : {"--version", "-V"}) {
    const OptionsOutcome outcome = parse({word});
    EXPECT_EQ(outcome.exit_code, 0);
    EXPECT_THAT(outcome.text, StartsWith("hawserd "));
  }
}

}  // namespace
}  // namespace hawser
