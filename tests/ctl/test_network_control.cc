// What a network adds to the options, the control socket and the status; and the service manager.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "ctl/control_target.h"
#include "ctl/network_mode.h"
#include "ctl/options.h"
#include "ctl/service_notify.h"
#include "ctl/status_client.h"
#include "ctl/status_report.h"
#include "ctl/uapi_reply.h"
#include "ctl/uapi_request.h"
#include "tests/ctl/temporary_directory.h"

namespace hawser {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::TemporaryDirectory;

OptionsOutcome parse_options(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "hawserd");
  return parse_daemon_options(static_cast<int>(arguments.size()), arguments.data());
}

TEST(NetworkOptionsTest, NeedNoInterfaceButAHostAndAKey) {
  const auto outcome =
      parse_options({"--network", "/a/vpn.toml", "--host", "h", "--private-key-file", "k"});
  ASSERT_TRUE(outcome.options.has_value()) << outcome.text;
  ASSERT_TRUE(outcome.options->network.has_value());
  const NetworkOptions& network = *outcome.options->network;
  EXPECT_EQ(network.file, "/a/vpn.toml");
  EXPECT_EQ(network.host, "h");
  EXPECT_EQ(network.hosts_file, "/etc/hosts");
  EXPECT_FALSE(network.has_forward);
  EXPECT_FALSE(network.mtu.has_value());
  EXPECT_TRUE(outcome.options->private_key_file.starts_with('/'));

  EXPECT_THAT(parse_options({"--network", "f", "--private-key-file", "k"}).text,
              HasSubstr("--host"));
  EXPECT_THAT(parse_options({"--network", "f", "--host", "h"}).text,
              HasSubstr("--private-key-file"));
  EXPECT_THAT(parse_options({"wg0", "--host", "h"}).text, HasSubstr("--network"));
  EXPECT_THAT(parse_options({"wg0", "--hosts-file", "x"}).text, HasSubstr("--network"));
}

TEST(NetworkOptionsTest, HostsFileIsOffWithoutTunAndWhereItIsToBe) {
  const auto hosts_file = [](std::vector<const char*> more) {
    std::vector<const char*> all{"--network", "f", "--host", "h", "--private-key-file", "k"};
    all.insert(all.end(), more.begin(), more.end());
    const auto outcome = parse_options(all);
    EXPECT_TRUE(outcome.options.has_value()) << outcome.text;
    return outcome.options ? outcome.options->network->hosts_file : "?";
  };
  EXPECT_EQ(hosts_file({"--no-tun"}), "");
  EXPECT_EQ(hosts_file({"--hosts-file", "none"}), "");
  EXPECT_EQ(hosts_file({"--no-tun", "--hosts-file", "/x"}), "/x");
}

TEST(AdoptPlan, TheFileSaysWhatTheCommandLineDoesNot) {
  HostPlan plan;
  plan.interface.name = "vpn";
  plan.interface.mtu = 1380;
  plan.interface.listen_port = 4500;
  plan.role = HostRole::kController;
  DaemonOptions options;
  options.network.emplace();
  ASSERT_TRUE(adopt_plan(options, plan).ok());
  EXPECT_EQ(options.interface, "vpn");
  EXPECT_EQ(options.mtu, 1380U);
  EXPECT_EQ(options.listen_port, 4500);
  EXPECT_EQ(options.forward, ForwardMode::kDirect) << "a controller needs no forwarding sysctl";

  options.forward = ForwardMode::kNone;
  options.network->has_forward = true;
  ASSERT_TRUE(adopt_plan(options, plan).ok());
  EXPECT_EQ(options.forward, ForwardMode::kNone);
  plan.role = HostRole::kPeer;
  options = {};
  options.network.emplace();
  ASSERT_TRUE(adopt_plan(options, plan).ok());
  EXPECT_EQ(options.forward, ForwardMode::kKernel);
  options.interface = "wg5";
  EXPECT_THAT(adopt_plan(options, plan).error().message, HasSubstr("wg5"));
}

UapiRequest request(std::string_view text) {
  UapiParser parser;
  parser.feed(text);
  EXPECT_TRUE(parser.complete());
  return parser.take();
}

TEST(ActionRequests, AreReadWithTheirConfirmation) {
  EXPECT_EQ(request("do=reload\n\n").operation, UapiOperation::kReload);
  EXPECT_FALSE(request("do=reload\n\n").confirm_seconds.has_value());
  const UapiRequest with = request("do=reload\nconfirm=30\n\n");
  EXPECT_FALSE(with.refusal.has_value());
  EXPECT_EQ(with.confirm_seconds, 30U);
  EXPECT_EQ(request("do=confirm\n\n").operation, UapiOperation::kConfirm);
  for (const char* const bad :
       {"do=reload\nconfirm=x\n\n", "do=reload\nconfirm=-1\n\n", "do=reload\nlisten_port=1\n\n",
        "do=confirm\nconfirm=3\n\n", "do=restart\n\n"}) {
    EXPECT_TRUE(request(bad).refusal.has_value()) << bad;
  }
  EXPECT_FALSE(request("do=reload\n\n").confirm_seconds.has_value());
}

TEST(ActionRequests, AnswerALineForEachProblem) {
  EXPECT_EQ(make_action_reply({}).view(), "errno=0\n\n");
  EXPECT_EQ(make_action_reply(Error{"refused:\nvpn.toml:3: a\nvpn.toml:9: b", EINVAL}).view(),
            "message=refused:\nmessage=vpn.toml:3: a\nmessage=vpn.toml:9: b\nerrno=22\n\n");
  EXPECT_EQ(make_action_reply(Error{"x", 0}).view(), "message=x\nerrno=5\n\n");
  // A blank line inside would end the answer before its errno.
  EXPECT_EQ(make_action_reply(Error{"a\n\nb", EINVAL}).view(),
            "message=a\nmessage=\nmessage=b\nerrno=22\n\n");
}

class StockTarget : public ControlTarget {
  Status set(DeviceChange) override { return {}; }
  DeviceView get() override { return {}; }
  std::string status() override { return {}; }
};

TEST(ActionRequests, AreRefusedByADaemonWithoutANetwork) {
  StockTarget target;
  EXPECT_EQ(target.reload({}).error().code, EOPNOTSUPP);
  EXPECT_EQ(target.confirm().error().code, EOPNOTSUPP);
}

PublicKey key(std::uint8_t first) {
  PublicKey out;
  out.bytes[0] = first;
  return out;
}

TEST(NetworkStatus, SaysWhoCarriesWhat) {
  StatusFacts facts;
  NetworkFacts& network = facts.network.emplace();
  network = {"vpn", "laptop1", "peer", 1234, {}, {}};
  network.peers[key(1)] = {"server1", "controller", "vpn1.example.com:51820"};
  network.peers[key(2)] = {"server2", "controller", "192.0.2.2:51820"};
  network.peers[key(3)] = {"printer", "peer", ""};
  network.routes.push_back({*Prefix::parse("fd00:1::/56"), {key(1), key(2)}});
  network.routes.push_back({*Prefix::parse("fd00:2::/56"), {key(2), key(1)}});
  network.routes.push_back({*Prefix::parse("fd00:3::/96"), {key(3), key(1)}});
  network.routes.push_back({*Prefix::parse("fd00:4::/96"), {key(3)}});
  DeviceView view;
  for (std::uint8_t i = 1; i <= 4; ++i) {
    PeerView& peer = view.peers.emplace_back();
    peer.public_key = key(i);
    peer.is_controller = i <= 2;
    peer.has_session = i == 1;  // which a dead controller has as well, for a while
    peer.reachable = i == 2;
  }
  std::string text = make_status_report(facts, view, {});
  for (const char* const line :
       {"\nnetwork=vpn\nhost=laptop1\nrole=peer\nconfirm_until_sec=1234\n",
        "\nroute=fd00:1::/56 server2\n", "\nroute=fd00:2::/56 server2\n", "\nroute=fd00:3::/96 -\n",
        "\nname=server1\nrole=controller\nconfigured_endpoint=vpn1.example.com:51820\n"
        "is_controller=true\nreachable=false\n",
        "\nname=printer\nrole=peer\nis_controller=false\nreachable=false\n"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
  const auto answer = parse_status(text);
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->peers.size(), 4U);
  view.peers[2].reachable = true;
  view.peers[0].reachable = true;
  text = make_status_report(facts, view, {});
  EXPECT_THAT(text, HasSubstr("\nroute=fd00:1::/56 server1\n"));
  EXPECT_THAT(text, HasSubstr("\nroute=fd00:3::/96 printer\n"));
  facts.network.reset();
  EXPECT_THAT(make_status_report(facts, view, {}), Not(HasSubstr("reachable=")));
}

// A service manager's end of $NOTIFY_SOCKET.
class ServiceNotifyTest : public ::testing::Test {
 protected:
  void listen(const std::string& address) {
    fd_ = UniqueFd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    std::memcpy(at.sun_path, address.data(), address.size());
    if (at.sun_path[0] == '@') at.sun_path[0] = '\0';
    ASSERT_EQ(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&at),
                     static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size())),
              0);
    ::setenv("NOTIFY_SOCKET", address.c_str(), 1);
  }
  std::string receive() {
    std::array<char, 512> text{};
    const ssize_t len = ::recv(fd_.get(), text.data(), text.size(), MSG_DONTWAIT);
    return len < 0 ? "" : std::string(text.data(), static_cast<std::size_t>(len));
  }
  void TearDown() override { ::unsetenv("NOTIFY_SOCKET"); }

  TemporaryDirectory directory_;
  UniqueFd fd_;
};

TEST_F(ServiceNotifyTest, TellsTheManagerAndLeavesNothingToChildren) {
  listen(directory_ / "notify");
  const ServiceNotify service;
  EXPECT_EQ(std::getenv("NOTIFY_SOCKET"), nullptr);
  service.ready("running");
  EXPECT_EQ(receive(), "READY=1\nMAINPID=" + std::to_string(::getpid()) + "\nSTATUS=running");
  service.reloading();
  EXPECT_THAT(receive(), ::testing::MatchesRegex("RELOADING=1\nMONOTONIC_USEC=[0-9]+"));
  service.stopping();
  EXPECT_EQ(receive(), "STOPPING=1");
}

TEST_F(ServiceNotifyTest, KnowsAbstractNamesAndSurvivesNobodyThere) {
  listen("@hawser-test-notify-" + std::to_string(::getpid()));
  const ServiceNotify service;
  service.stopping();
  EXPECT_EQ(receive(), "STOPPING=1");
  fd_.reset();
  service.stopping();
  ServiceNotify().ready("nobody asked");
}

}  // namespace
}  // namespace hawser
