// What is made of a daemon's status: the typed view, the text for people, wait's verdicts, top.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "ctl/cli_names.h"
#include "ctl/cli_text.h"
#include "ctl/cli_top.h"
#include "ctl/cli_wait.h"
#include "ctl/interface_status.h"
#include "ctl/status_client.h"
#include "ctl/status_log.h"
#include "ctl/status_text.h"

namespace hawser {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr std::int64_t kNow = 10'000;

// A peer's host, in the words of the socket.
StatusAnswer answer(const std::string& extra = "") {
  const std::string text =
      "interface=vpn\nup=true\ntun=true\nlisten_port=5000\nstarted_sec=9988\nworkers=2\n"
      "engine=epoll\naead=boringssl\nown_public_key=" +
      std::string(64, '1') +
      "\nnetwork=vpn\nhost=laptop1\nrole=peer\nunder_load=false\nrelayed_packets=0\n"
      "route=fd51:0:0:100::/56 server2\nroute=fd51:0:0:200::/56 server2\n" +
      extra + "public_key=" + std::string(64, '2') +
      "\nname=server1\nrole=controller\nis_controller=true\nreachable=false\n"
      "configured_endpoint=vpn1.example.com:51820\nlast_handshake_time_sec=0\ntx_bytes=0\n"
      "rx_bytes=0\nhas_session=false\nallowed_ip=fd51:0:0:100::/56\n"
      "public_key=" +
      std::string(64, '3') +
      "\nname=server2\nrole=controller\nis_controller=true\nreachable=true\n"
      "configured_endpoint=192.0.2.2:51820\nendpoint=192.0.2.2:51820\n"
      "last_handshake_time_sec=9990\ntx_bytes=1000\nrx_bytes=2000\nhas_session=true\n"
      "allowed_ip=fd51:0:0:200::/56\nallowed_ip=fd00::7/128\nerrno=0\n\n";
  Result<StatusAnswer> parsed = parse_status(text);
  EXPECT_TRUE(parsed.ok());
  return parsed ? *parsed : StatusAnswer{};
}

InterfaceStatus status() { return InterfaceStatus::read(answer()); }

TEST(InterfaceStatus, FindsPeersByNameFullNameAndKey) {
  const InterfaceStatus read = status();
  ASSERT_NE(read.find("server1"), nullptr);
  EXPECT_EQ(read.find("server1.vpn"), read.find("server1"));
  EXPECT_EQ(read.find(read.peers[1].public_key), read.find("server2"));
  EXPECT_EQ(read.find("server"), nullptr);
  EXPECT_EQ(read.find("server11"), nullptr);
}

TEST(InterfaceStatus, ARouteGoesBeforeTheStockOwnerOfItsPrefix) {
  const InterfaceStatus read = status();
  EXPECT_EQ(read.carrier_of(*IpAddress::parse("fd51:0:0:101::5")), "server2");
  EXPECT_EQ(read.carrier_of(*IpAddress::parse("fd00::7")), "server2");
  EXPECT_EQ(read.carrier_of(*IpAddress::parse("fd00::8")), "");
}

TEST(StatusText, SaysWhichControllerIsAliveAndWhatItCarries) {
  const std::string text = format_status(answer("confirm_until_sec=10025\n"), kNow);
  EXPECT_THAT(text, HasSubstr("  network: vpn\n  this host: laptop1 (peer)\n"));
  EXPECT_THAT(text, HasSubstr("hawser confirm; the old state returns in 25 seconds\n"));
  EXPECT_THAT(text, HasSubstr("controller: server1\n  liveness: not heard yet\n"
                              "  carries: nothing now\n"));
  EXPECT_THAT(text, HasSubstr("controller: server2\n  liveness: alive\n"
                              "  carries: fd51:0:0:100::/56, fd51:0:0:200::/56\n"));
  EXPECT_THAT(text, HasSubstr("  endpoint: vpn1.example.com:51820 (no address yet)\n"));
  EXPECT_THAT(text, HasSubstr("  endpoint: 192.0.2.2:51820\n"));
}

TEST(StatusText, AHostWithOneRouteTakesOneLine) {
  const std::string text = format_status(
      *parse_status("interface=vpn\nfwmark=51820\naead=boringssl\nnetwork=vpn\npublic_key=" +
                    std::string(64, '2') +
                    "\nname=kingfisher\nrole=member\nis_controller=false\nreachable=true\n"
                    "endpoint=192.0.2.7:51820\nlast_handshake_time_sec=9990\ntx_bytes=1024\n"
                    "rx_bytes=10\nhas_session=true\nallowed_ip=10.42.0.1/32\ndrop.replayed=2\n"
                    "public_key=" +
                    std::string(64, '3') +
                    "\nname=heron\nrole=member\nis_controller=false\nhas_session=false\n"
                    "handshake_attempts=2\nallowed_ip=10.42.0.2/32\nerrno=0\n\n"),
      kNow);
  EXPECT_THAT(text, HasSubstr("\nmember kingfisher: 10.42.0.1/32; at 192.0.2.7:51820; session "
                              "established; handshake 10 s ago; 10 B received, 1.00 KiB sent; "
                              "dropped replayed 2\n"
                              "member heron: 10.42.0.2/32; session none, 2 handshakes without an "
                              "answer so far; 0 B received, 0 B sent\n"));
  EXPECT_THAT(text, HasSubstr("  fwmark: 0xca6c\n"));
  EXPECT_THAT(text, HasSubstr("  AEAD: boringssl\n"));
}

TEST(StatusText, SaysThatAReloadWasTakenBackAndThatNamesAreMissing) {
  const std::string text = format_status(
      answer("reload_taken_back_sec=9940\nhosts_problem=cannot write hosts file /etc/hosts\n"),
      kNow);
  EXPECT_THAT(text, HasSubstr("  reload: not confirmed, taken back 1 minute ago: what runs is not "
                              "what the file says\n"));
  EXPECT_THAT(text, HasSubstr("  host names: cannot write hosts file /etc/hosts\n"));
}

TEST(StatusLog, IsALineForEachAndBounded) {
  std::string report = "interface=vpn\nversion=1\n";
  for (int i = 0; i < 100; ++i) report += "public_key=" + std::string(64, 'a') + "\n";
  const auto lines = status_log_lines(report + "errno=0\n\n", kNow);
  EXPECT_EQ(lines.front(), "status: interface: vpn");
  EXPECT_THAT(lines.back(), HasSubstr("36 more peers"));
  EXPECT_EQ(std::count_if(lines.begin(), lines.end(),
                          [](const auto& line) { return line.starts_with("status: peer: "); }),
            64);
  EXPECT_TRUE(std::none_of(lines.begin(), lines.end(),
                           [](const auto& line) { return line.find('\n') != line.npos; }));
}

TEST(StatusText, SaysWhatNobodyCarries) {
  EXPECT_THAT(format_status(answer("route=fd51:0:0:300::/56 -\n"), kNow),
              HasSubstr("  carried by nobody: fd51:0:0:300::/56\n"));
}

TEST(StatusJson, AHostThatIsCalledLikeANumberKeepsItsName) {
  StatusAnswer odd = answer();
  odd.peers[0][1].second = "42";
  EXPECT_THAT(status_to_json({odd}), HasSubstr("\"name\": \"42\""));
}

TEST(ActionReply, HasTheDaemonsLines) {
  EXPECT_TRUE(parse_action_reply("errno=0\n\n").ok());
  const Status refused = parse_action_reply("message=one\nmessage=two=2\nerrno=22\n\n");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().message, "one\ntwo=2");
  EXPECT_EQ(refused.error().code, 22);
  EXPECT_FALSE(parse_action_reply("errno=95\n\n").ok());
  EXPECT_FALSE(parse_action_reply("").ok());
}

CliArguments handshake(std::vector<std::string> peers = {}) {
  CliArguments arguments;
  arguments.command = CliCommand::kWait;
  arguments.wait_handshake = true;
  arguments.wait_peers = std::move(peers);
  arguments.timeout = seconds(5);
  return arguments;
}

TEST(Wait, PeersAreThereWhenTheInterfaceIsUp) {
  EXPECT_THAT(missing_for({}, status(), {}, kNow), IsEmpty());
  InterfaceStatus down = status();
  down.up = false;
  EXPECT_THAT(missing_for({}, down, {}, kNow), ElementsAre(HasSubstr("ip link set vpn up")));
  InterfaceStatus keyless = status();
  keyless.own_public_key.clear();
  EXPECT_THAT(missing_for({}, keyless, {}, kNow), ElementsAre(HasSubstr("private key")));
}

TEST(Wait, ALoneHostOfANetworkIsReadyButAnEmptyInterfaceIsNot) {
  InterfaceStatus lone = status();
  lone.peers.clear();
  EXPECT_THAT(missing_for(handshake(), lone, {}, kNow), IsEmpty());
  lone.network.clear();
  EXPECT_THAT(missing_for({}, lone, {}, kNow), ElementsAre(HasSubstr("no peers")));
}

TEST(Wait, OnlyThePeersThatAreNamedCount) {
  EXPECT_THAT(missing_for(handshake({"server2"}), status(), {}, kNow), IsEmpty());
  EXPECT_THAT(missing_for(handshake(), status(), {}, kNow), ElementsAre(HasSubstr("server1, ")));
  EXPECT_THAT(missing_for(handshake({"server3"}), status(), {}, kNow),
              ElementsAre(HasSubstr("did you mean \"server1\"?")));
}

TEST(Wait, NamesPeerEndpointSinceWhenAndCause) {
  const auto missing = missing_for(handshake(), status(), {}, kNow);
  ASSERT_EQ(missing.size(), 1u);
  EXPECT_THAT(missing[0], HasSubstr("server1, vpn1.example.com:51820: no session, none since the "
                                    "daemon's start 12 seconds ago; "));
  EXPECT_THAT(missing[0], HasSubstr("the name vpn1.example.com does not resolve"));
}

TEST(Wait, TellsTheCausesApart) {
  InterfaceStatus read = status();
  PeerStatus& peer = read.peers[0];
  const auto cause = [&] { return likely_cause(read, peer, kNow); };
  peer.configured_endpoint = "192.0.2.1:51820";
  EXPECT_THAT(cause(), HasSubstr("no way to 192.0.2.1"));
  peer.configured_endpoint.clear();
  EXPECT_THAT(cause(), HasSubstr("it has to call this host first"));
  EXPECT_THAT(cause(), HasSubstr("UDP port 5000"));
  EXPECT_THAT(cause(), Not(HasSubstr("clock")));
  read.drops = {{"handshake-refused", "3"}};
  EXPECT_THAT(cause(), HasSubstr("3 of somebody's handshakes were refused"));
  peer.endpoint = "192.0.2.1:51820";
  EXPECT_THAT(cause(), HasSubstr("nothing was sent"));
  peer.tx_bytes = 148;
  EXPECT_THAT(cause(), HasSubstr("never answered (148 B sent)"));
  peer.drops = {{"send-failed", "2"}};
  EXPECT_THAT(cause(), HasSubstr("is there a route to 192.0.2.1:51820?"));
  peer.drops.clear();
  peer.rx_bytes = 92;
  EXPECT_THAT(cause(), HasSubstr("no handshake completes"));
  peer.last_handshake = kNow - 400;
  EXPECT_THAT(cause(), HasSubstr("it answered 6 minutes, 40 seconds ago and does not any more"));
  peer.drops = {{"handshake-refused", "1"}};
  EXPECT_THAT(cause(), HasSubstr("1 of its handshakes was refused"));
  EXPECT_THAT(cause(), HasSubstr("clock"));
}

// Virtual time: sleeping moves it.
struct World {
  Instant now{};
  int num_queries = 0;
  std::function<Result<InterfaceStatus>(int)> daemon;

  std::vector<std::string> interfaces{"vpn"};
  std::vector<std::string> nudged;
  Status can_ask;

  WaitPorts ports() {
    WaitPorts ports;
    ports.query = [this](const std::string& interface, Duration) -> Result<InterfaceStatus> {
      if (!interface.empty() && interface != "vpn") return Error{"no daemon listens there"};
      return daemon(num_queries++);
    };
    ports.interfaces = [this] { return interfaces; };
    ports.nudge = [this](const InterfaceStatus&, const PeerStatus& peer) {
      nudged.push_back(peer.label());
      return can_ask;
    };
    ports.now = [this] { return now; };
    ports.unix_now = [] { return kNow; };
    ports.sleep = [this](Duration duration) { now += duration; };
    return ports;
  }
};

TEST(Wait, WaitsForADaemonThatIsNotThereYet) {
  World world;
  world.daemon = [](int query) -> Result<InterfaceStatus> {
    if (query < 3) return Error{"no daemon listens"};
    InterfaceStatus read = status();
    read.peers[0].has_session = query > 5;
    read.peers[0].reachable = true;  // nothing is known against it
    return read;
  };
  const CliOutput output = wait_until_ready(handshake(), world.ports());
  EXPECT_EQ(output.exit_code, 0);
  EXPECT_EQ(world.num_queries, 7);
}

TEST(Wait, GivesUpAtTheTimeoutAndSaysWhy) {
  World world;
  world.daemon = [](int) { return status(); };
  const CliOutput output = wait_until_ready(handshake(), world.ports());
  EXPECT_NE(output.exit_code, 0);
  EXPECT_THAT(output.err, HasSubstr("gave up after 5.00 s"));
  EXPECT_THAT(output.err, HasSubstr("  server1, "));
  EXPECT_EQ(world.now, Instant{} + seconds(5));
  world.daemon = [](int) -> Result<InterfaceStatus> { return Error{"no daemon listens in /x"}; };
  EXPECT_THAT(wait_until_ready(handshake(), world.ports()).err, HasSubstr("listens in /x"));
}

TEST(Wait, OfVeryManyItNamesAScreenful) {
  World world;
  world.daemon = [](int) -> Result<InterfaceStatus> {
    InterfaceStatus read = status();
    read.peers.resize(1000, read.peers[0]);
    return read;
  };
  const CliOutput output = wait_until_ready(handshake(), world.ports());
  EXPECT_THAT(output.err, HasSubstr("  and 979 more\n"));
  EXPECT_EQ(std::count(output.err.begin(), output.err.end(), '\n'), 22);
}

// Right after a controller died: its keys are good for a while still.
TEST(Wait, ASessionWithADeadControllerIsNotEnough) {
  World world;
  world.daemon = [](int query) -> Result<InterfaceStatus> {
    InterfaceStatus read = status();
    read.peers[0].has_session = true;
    read.peers[0].last_handshake = kNow - 40;
    read.peers[0].handshake_attempts = 2;
    read.peers[0].reachable = query > 4;
    return read;
  };
  EXPECT_EQ(wait_until_ready(handshake(), world.ports()).exit_code, 0);
  EXPECT_EQ(world.num_queries, 6);
  world.daemon = [dead = world.daemon](int) { return dead(0); };
  EXPECT_THAT(
      wait_until_ready(handshake(), world.ports()).err,
      HasSubstr("server1, vpn1.example.com:51820: no answer, last handshake 40 seconds ago, "
                "2 handshakes without an answer so far; it answered"));
}

TEST(Wait, WithoutANetworkASessionIsAllThatIsKnown) {
  World world;
  world.daemon = [](int) -> Result<InterfaceStatus> {
    InterfaceStatus read = status();
    for (PeerStatus& peer : read.peers) {
      peer.name.clear();
      peer.is_controller = false;
      peer.reachable = false;
      peer.has_session = true;
    }
    return read;
  };
  EXPECT_EQ(wait_until_ready(handshake(), world.ports()).exit_code, 0);
}

// The session of a member that died is good for three minutes still; nobody watches members.
InterfaceStatus host(std::int64_t rx_bytes) {
  InterfaceStatus read = status();
  read.peers.resize(1);
  PeerStatus& member = read.peers[0];
  member.name = "kingfisher";
  member.role = "member";
  member.address = "10.42.0.1";
  member.is_controller = false;
  member.has_session = true;
  member.reachable = true;
  member.rx_bytes = rx_bytes;
  member.last_handshake = kNow - 60;
  return read;
}

TEST(Wait, ASessionWithADeadMemberIsNotEnough) {
  World world;
  world.daemon = [](int) { return host(1000); };
  const CliOutput output = wait_until_ready(handshake(), world.ports());
  EXPECT_EQ(output.exit_code, EXIT_FAILURE);
  EXPECT_THAT(output.err, HasSubstr("kingfisher, vpn1.example.com:51820: no answer"));
  // Once a second in five.
  EXPECT_THAT(world.nudged, ::testing::Each("kingfisher"));
  EXPECT_EQ(world.nudged.size(), 5u);
}

TEST(Wait, WhereNobodyCanBeAskedItSaysSoAndTheRemedy) {
  World world;
  world.can_ask = Error{"probes cannot be sent; become root", EACCES};
  world.daemon = [](int) { return host(1000); };
  const CliOutput output = wait_until_ready(handshake(), world.ports());
  EXPECT_EQ(output.exit_code, EXIT_FAILURE);
  EXPECT_THAT(output.err, HasSubstr("kingfisher, vpn1.example.com:51820: it has a session, but "
                                    "could not be asked whether it is there: probes cannot be "
                                    "sent; become root"));
  EXPECT_THAT(output.err, Not(HasSubstr("no answer")));
  // Other traffic may tell all the same.
  world.daemon = [](int query) { return host(query < 2 ? 1000 : 1096); };
  world.num_queries = 0;
  EXPECT_EQ(wait_until_ready(handshake(), world.ports()).exit_code, 0);
}

TEST(Wait, AMemberThatAnswersWhenAskedIsThere) {
  World world;
  world.daemon = [](int query) { return host(query < 2 ? 1000 : 1096); };
  EXPECT_EQ(wait_until_ready(handshake(), world.ports()).exit_code, 0);
  EXPECT_EQ(world.num_queries, 3);
  EXPECT_THAT(world.nudged, ElementsAre("kingfisher"));
}

TEST(Wait, OfAForwarderWithoutTunASessionIsAllThatIsKnown) {
  World world;
  world.daemon = [](int) {
    InterfaceStatus read = host(1000);
    read.tun = false;
    return read;
  };
  EXPECT_EQ(wait_until_ready(handshake(), world.ports()).exit_code, 0);
}

TEST(Wait, OfVeryManyPeersFewAreAskedAtATime) {
  World world;
  world.daemon = [](int) {
    InterfaceStatus read = host(1000);
    read.peers.resize(1000, read.peers[0]);
    for (std::size_t i = 0; i < 1000; ++i) read.peers[i].public_key = std::to_string(i);
    return read;
  };
  CliArguments arguments = handshake();
  arguments.timeout = milliseconds(10);
  (void)wait_until_ready(arguments, world.ports());
  EXPECT_LE(world.nudged.size(), 128u);
}

CliOutput wait_on(World& world, CliArguments arguments) {
  world.daemon = [](int) { return status(); };
  return wait_until_ready(arguments, world.ports());
}

TEST(Wait, AnUnknownNameIsRefusedAtOnceWithTheNearest) {
  World world;
  const CliOutput output = wait_on(world, handshake({"server2", "servre1"}));
  EXPECT_EQ(output.exit_code, kCliUsageError);
  EXPECT_THAT(output.err, HasSubstr("servre1: no such peer at vpn; did you mean \"server1\"?"));
  EXPECT_EQ(world.now, Instant{});
  EXPECT_THAT(wait_on(world, handshake({"laptop1"})).err, HasSubstr("this host itself"));
}

TEST(Wait, TakesNoInterfaceForAPeer) {
  World world;
  const CliOutput output = wait_on(world, handshake({"vpn"}));
  EXPECT_EQ(output.exit_code, kCliUsageError);
  EXPECT_THAT(output.err, HasSubstr("vpn is an interface, no peer of vpn"));
  EXPECT_EQ(world.now, Instant{});
}

TEST(Wait, TakesNoPeerForAnInterface) {
  World world;
  CliArguments arguments = handshake({"server2"});
  arguments.interface = "server1";
  const CliOutput output = wait_on(world, arguments);
  EXPECT_EQ(output.exit_code, kCliUsageError);
  EXPECT_THAT(output.err, HasSubstr("server1 is a peer of vpn, no interface; write hawser wait vpn "
                                    "--handshake server1"));
  EXPECT_EQ(world.now, Instant{});
  arguments.is_surely_interface = true;
  EXPECT_EQ(wait_on(world, arguments).exit_code, EXIT_FAILURE);
  EXPECT_EQ(world.now, Instant{} + seconds(5));
}

TEST(Wait, WithoutANetworkAKeyMayStillBeAddedButANameNever) {
  InterfaceStatus stock = status();
  stock.network.clear();
  const std::string key(43, 'A');
  EXPECT_EQ(unknown_peer(handshake({key + "="}), stock, {"vpn"}), "");
  EXPECT_THAT(unknown_peer(handshake({"laptop9"}), stock, {"vpn"}), HasSubstr("no such peer"));
}

TEST(StatusText, AControllerThatWasNeverHeardIsNotCalledDead) {
  const std::string head = "interface=vpn\npublic_key=" + std::string(64, '2') +
                           "\nname=server1\nis_controller=true\nreachable=false\n";
  EXPECT_THAT(format_status(*parse_status(head + "errno=0\n\n"), kNow),
              HasSubstr("  liveness: not heard yet\n"));
  EXPECT_THAT(
      format_status(*parse_status(head + "last_handshake_time_sec=9990\nerrno=0\n\n"), kNow),
      HasSubstr("  liveness: dead: it does not answer\n"));
}

TEST(StatusText, SaysWhetherASessionIsAnswered) {
  const auto text_with = [](const std::string& lines) {
    const std::string text = "interface=vpn\npublic_key=" + std::string(64, '2') +
                             "\nname=server1\nis_controller=true\n" + lines + "errno=0\n\n";
    return format_status(*parse_status(text), kNow);
  };
  EXPECT_THAT(text_with("has_session=true\nreachable=true\nhandshake_attempts=1\n"),
              HasSubstr("  session: established\n"));
  EXPECT_THAT(text_with("has_session=true\nreachable=false\nhandshake_attempts=0\n"),
              HasSubstr("  session: not answered\n"));
  EXPECT_THAT(text_with("has_session=true\nreachable=false\nhandshake_attempts=3\n"),
              HasSubstr("  session: not answered, 3 handshakes without an answer so far\n"));
  EXPECT_THAT(text_with("has_session=false\nreachable=false\nhandshake_attempts=1\n"),
              HasSubstr("  session: none, 1 handshake without an answer so far\n"));
}

TEST(Top, RatesAreBetweenTwoStatuses) {
  RateMeter rates;
  InterfaceStatus read = status();
  rates.add(read, Instant{});
  EXPECT_EQ(rates.of(read.peers[1]).rx, 0);
  read.peers[1].rx_bytes += 4000;
  read.peers[1].drops = {{"replayed", "6"}};
  read.relayed_packets = 10;
  rates.add(read, Instant{} + seconds(2));
  EXPECT_DOUBLE_EQ(rates.of(read.peers[1]).rx, 2000);
  EXPECT_DOUBLE_EQ(rates.of(read.peers[1]).drops, 3);
  EXPECT_DOUBLE_EQ(rates.total().rx, 2000);
  EXPECT_DOUBLE_EQ(rates.relayed(), 5);
}

TEST(Top, ADaemonThatWasStartedAnewHasNoRatesYet) {
  RateMeter rates;
  InterfaceStatus read = status();
  rates.add(read, Instant{});
  read.started += 5;
  read.peers[1].rx_bytes += 4000;
  rates.add(read, Instant{} + seconds(1));
  EXPECT_EQ(rates.of(read.peers[1]).rx, 0);
}

TEST(Top, FitsTheScreenAndSaysHowManyAreLeftOut) {
  InterfaceStatus read = status();
  for (int i = 0; i < 50; ++i) {
    PeerStatus& peer = read.peers.emplace_back();
    peer.name = "peer" + std::to_string(i);
    peer.public_key = peer.name;
  }
  RateMeter rates;
  const std::string screen = render_top(read, rates, kNow, 20, 40);
  EXPECT_EQ(std::count(screen.begin(), screen.end(), '\n'), 20);
  EXPECT_THAT(screen, HasSubstr("server2 carries fd51:0:0:100::/56"));
  EXPECT_THAT(screen, HasSubstr("… and 42 more\n"));
  std::size_t start = 0;
  for (std::size_t end; (end = screen.find('\n', start)) != screen.npos; start = end + 1) {
    EXPECT_LE(end - start, 42u);  // "…" has three bytes
  }
  EXPECT_LT(screen.find("server1 "), screen.find("peer0 "));
}

std::size_t widest(const std::string& screen) {
  std::size_t width = 0;
  for (std::size_t start = 0, end; (end = screen.find('\n', start)) != screen.npos;
       start = end + 1) {
    width = std::max(width, text_width(std::string_view(screen).substr(start, end - start)));
  }
  return width;
}

TEST(Top, FitsSixtyColumnsWithWhatMattersMost) {
  InterfaceStatus read = status();
  read.host = "a-host-with-quite-a-long-name";
  for (PeerStatus& peer : read.peers) peer.name += "-of-the-second-site-upstairs";
  read.routes.clear();
  RateMeter rates;
  const std::string screen = render_top(read, rates, kNow, 24, 60);
  EXPECT_LE(widest(screen), 60u);
  for (const char* const words :
       {"a-host-with-quite-a-long-name is peer of network vpn", "received ", "sent ", "relayed ",
        "dropped ", "PEER", "STATE", "RECEIVES", "SENDS", "DROPS/s", "server2-of-", "epoll",
        "h: help"}) {
    EXPECT_THAT(screen, HasSubstr(words));
  }
  EXPECT_THAT(screen, Not(HasSubstr("ENDPOINT")));
  EXPECT_THAT(render_top(read, rates, kNow, 24, 160), HasSubstr("ENDPOINT"));
}

TEST(Top, WhatEveryHostCarriesItselfTakesNoLine) {
  InterfaceStatus read = status();
  read.peers[0].is_controller = false;
  read.routes.push_back({"fd51:0:0:300::/96", "server1"});
  RateMeter rates;
  const std::string screen = render_top(read, rates, kNow, 24, 80);
  EXPECT_THAT(screen, HasSubstr("server2 carries"));
  EXPECT_THAT(screen, Not(HasSubstr("server1 carries")));
}

TEST(Top, HasHelpThatFits) {
  const std::string help = render_top_help(24, 60);
  EXPECT_THAT(help, HasSubstr("h, ?"));
  EXPECT_THAT(help, HasSubstr("quit"));
  EXPECT_LE(widest(help), 60u);
  EXPECT_LE(std::count(help.begin(), help.end(), '\n'), 24);
  EXPECT_EQ(render_top_help(1, 3), "haw\n");
}

TEST(Top, ATinyScreenIsNoProblem) {
  RateMeter rates;
  EXPECT_LE(widest(render_top(status(), rates, kNow, 1, 10)), 10u);
  EXPECT_EQ(render_top(status(), rates, kNow, 0, 0), "");
}

TEST(Names, AreLookedForInTheHostsBlockThenTheStatusThenElsewhere) {
  const InterfaceStatus read = status();
  NameSources sources;
  sources.status = &read;
  sources.hosts_file =
      "192.0.2.9 laptop2.vpn\n# BEGIN hawser other\nfd00::1\tlaptop2.other\n# END hawser other\n"
      "# BEGIN hawser vpn\nfd51::2\tlaptop2.vpn\n# END hawser vpn\n";
  sources.look_up = [](const std::string& name) -> std::optional<IpAddress> {
    if (name == "printer.vpn") return IpAddress::parse("10.0.0.1");
    return std::nullopt;
  };
  const auto find = [&](const char* name) {
    const auto found = find_address(name, sources);
    return found ? found->to_string() : found.error().message;
  };
  EXPECT_EQ(find("fd00::9"), "fd00::9");
  EXPECT_EQ(find("laptop2"), "fd51::2");
  EXPECT_EQ(find("laptop2.vpn"), "fd51::2");
  EXPECT_EQ(find("server2"), "fd00::7");
  EXPECT_EQ(find("printer"), "10.0.0.1");
  EXPECT_THAT(find("nobody"), HasSubstr("this host's peers are server1, server2"));
  EXPECT_THAT(find("nobody"), HasSubstr("--network"));
}

// A host may be called "web" and another "web.lab".
TEST(Names, TheNearestOfThoseWithDotsIsMeant) {
  InterfaceStatus read = status();
  read.peers[0].name = "web";
  read.peers[1].name = "web.lab";
  EXPECT_EQ(read.find("web"), &read.peers[0]);
  EXPECT_EQ(read.find("web.vpn"), &read.peers[0]);
  EXPECT_EQ(read.find("web.lab"), &read.peers[1]);
  EXPECT_EQ(read.find("web.lab.vpn"), &read.peers[1]);
  NameSources sources;
  sources.hosts_file =
      "# BEGIN hawser vpn\nfd51::2\tweb.lab.vpn\nfd51::1\tweb.vpn\n# END hawser vpn\n";
  EXPECT_EQ(find_address("web", sources)->to_string(), "fd51::1");
  EXPECT_EQ(find_address("web.lab", sources)->to_string(), "fd51::2");
  EXPECT_EQ(find_address("web.vpn", sources)->to_string(), "fd51::1");
}

}  // namespace
}  // namespace hawser
