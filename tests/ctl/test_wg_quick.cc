// wg-quick files, what is made of them, and the words of hawser set.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "ctl/cli_import.h"
#include "ctl/exit_routing.h"
#include "ctl/resolvconf.h"
#include "ctl/set_request.h"
#include "ctl/uapi_request.h"
#include "ctl/wg_quick_file.h"
#include "ctl/wg_quick_hooks.h"
#include "ctl/wg_quick_routing.h"
#include "network/load.h"
#include "tests/ctl/temporary_directory.h"

namespace hawser {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

const std::string kPrivate = "YAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=";
const std::string kPeerA = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=";
const std::string kPeerB = "TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0=";
const std::string kPsk = "FpCyhws9cxwWoV4xELtfJvjJN+zQVRPISllRWgeopVE=";

const std::string kWgQuickFile =
    "# this is mine\n[Interface]\nPrivateKey = " + kPrivate +
    "\nAddress = 10.42.0.1/24\nlistenport=51820 # ours\nMTU = 1400\n\n"
    "# heron, in the attic\n[peer]\nPublicKey = " +
    kPeerA + "\nPresharedKey = " + kPsk +
    "\nAllowedIPs = 10.42.0.2/32, 192.168.7.0/24\nAllowedIPs=fd00::/64\n"
    "Endpoint = vpn.example.com:51820\nPersistentKeepalive = 25\n"
    "[Peer]\nPublicKey=" +
    kPeerB + "\nAllowedIPs = 10.42.0.3\nEndpoint = [2001:db8::3]:7\n";

std::string faults(const std::string& text) {
  const auto parsed = parse_wg_quick(text, "wg0.conf");
  return parsed ? std::string() : parsed.error().message;
}

TEST(WgQuickFile, IsReadWhole) {
  const auto file = parse_wg_quick(kWgQuickFile, "wg0.conf");
  ASSERT_TRUE(file.ok()) << file.error().message;
  EXPECT_EQ(key_to_base64(file->private_key.bytes()), kPrivate);
  EXPECT_EQ(file->listen_port, 51820);
  EXPECT_EQ(file->mtu, 1400u);
  ASSERT_EQ(file->addresses.size(), 1u);
  EXPECT_EQ(file->addresses[0].to_string(), "10.42.0.1/24");
  ASSERT_EQ(file->peers.size(), 2u);
  EXPECT_EQ(file->peers[0].comment, "heron, in the attic");
  EXPECT_EQ(file->peers[0].allowed_ips.size(), 3u);
  EXPECT_EQ(file->peers[0].endpoint->to_string(), "vpn.example.com:51820");
  EXPECT_EQ(file->peers[0].persistent_keepalive, 25);
  EXPECT_TRUE(file->peers[0].preshared_key.has_value());
  EXPECT_EQ(file->peers[1].allowed_ips[0].to_string(), "10.42.0.3/32");
  EXPECT_FALSE(file->table.has_value());
}

TEST(WgQuickFile, EveryMistakeHasItsLineAndNoKeyIsShown) {
  EXPECT_EQ(faults("[Interface]\nAddres = 10.0.0.1\n"),
            "wg0.conf:2: unknown key Addres; did you mean \"Address\"?");
  EXPECT_EQ(faults("[Interface]\nMTU = 12\nListenPort = 65536\nAddress = 10.0.0.1/33\n"),
            "wg0.conf:2: MTU 12: a number from 68 to 65535\n"
            "wg0.conf:3: ListenPort 65536: a number from 0 to 65535\n"
            "wg0.conf:4: Address 10.0.0.1/33: ADDRESS/LENGTH is wanted");
  EXPECT_THAT(faults("[Interface]\n[Peer]\nAllowedIPs = ::/0\n"),
              HasSubstr("wg0.conf:2: this [Peer] has no PublicKey"));
  EXPECT_THAT(faults("[Interface]\n[Peer]\nPublicKey=" + kPeerA + "\n[Peer]\nPublicKey=" + kPeerA),
              HasSubstr("wg0.conf:5: another [Peer] has this PublicKey"));
  EXPECT_THAT(faults(""), HasSubstr("wg0.conf:1: there is no [Interface]"));
  EXPECT_THAT(faults("Address = 1.2.3.4\n[Interface]"), HasSubstr("before the first section"));
  EXPECT_THAT(faults("[Interface]\nPrivateKey = " + kPrivate + "x\n"), Not(HasSubstr("YAnz")));
  EXPECT_THAT(faults("[Interface]\n" + kPrivate + "\n"), Not(HasSubstr("YAnz")));
}

TEST(WgQuickFile, NoTextIsTooOddForIt) {
  std::string text = kWgQuickFile;
  for (std::size_t i = 0; i < text.size(); ++i) {
    (void)faults(text.substr(0, i));
    std::string odd = text;
    odd[i] = static_cast<char>(odd[i] ^ 0x95);
    (void)faults(odd);
  }
  std::string lines;
  for (int i = 0; i < 1000; ++i) lines += "nonsense\n";
  EXPECT_THAT(faults(lines), HasSubstr("\nand 981 more"));
  EXPECT_FALSE(faults(std::string(1000, '\0')).empty());
}

WgQuickFile file_with(const std::string& interface, const std::string& allowed_ips) {
  const std::string text = "[Interface]\nPrivateKey = " + kPrivate + "\nAddress = 10.0.0.1/24\n" +
                           interface + "\n[Peer]\nPublicKey = " + kPeerA +
                           "\nAllowedIPs = " + allowed_ips + "\n";
  auto file = parse_wg_quick(text, "wg0.conf");
  EXPECT_TRUE(file.ok()) << file.error().message;
  return std::move(*file);
}

std::vector<std::string> routes_of(const WgQuickRouting& routing) {
  std::vector<std::string> out;
  for (const TunnelRoute& route : routing.routes) {
    out.push_back(route.prefix.to_string() + " " + std::to_string(route.table));
  }
  return out;
}

TEST(WgQuickRouting, ADefaultRouteGoesBesideTheHostsOwn) {
  const auto plain = routing_of(file_with("", "10.0.0.0/24, 10.9.0.0/16, 10.9.0.0/16"));
  EXPECT_THAT(routes_of(plain), ElementsAre("10.9.0.0/16 254"));
  EXPECT_THAT(plain.rules, IsEmpty());
  EXPECT_FALSE(plain.fwmark.has_value());

  const auto all = routing_of(file_with("", "0.0.0.0/0, ::/0, 10.9.0.0/16"));
  EXPECT_THAT(routes_of(all),
              UnorderedElementsAre("0.0.0.0/0 7200", "10.9.0.0/16 254", "::/0 7200"));
  EXPECT_EQ(all.fwmark, kExitMark);
  ASSERT_EQ(all.rules.size(), 4u);
  EXPECT_TRUE(all.rules[0].ignores_default);
  EXPECT_EQ(all.rules[1].unless_mark, kExitMark);

  const auto marked = routing_of(file_with("FwMark = 0x55", "::/0"));
  EXPECT_EQ(marked.fwmark, 0x55u);
  ASSERT_EQ(marked.rules.size(), 2u);
  EXPECT_EQ(marked.rules[1].unless_mark, 0x55u);
  EXPECT_EQ(routing_of(file_with("FwMark = off", "::/0")).fwmark, kExitMark);
}

TEST(WgQuickRouting, ATableOfTheFileHasNoRules) {
  const auto own = routing_of(file_with("Table = 77", "0.0.0.0/0, 10.0.0.0/24"));
  EXPECT_THAT(routes_of(own), UnorderedElementsAre("0.0.0.0/0 77", "10.0.0.0/24 77"));
  EXPECT_THAT(own.rules, IsEmpty());
  EXPECT_FALSE(own.fwmark.has_value());
  EXPECT_THAT(routing_of(file_with("Table = off", "0.0.0.0/0")).routes, IsEmpty());
  EXPECT_THAT(routes_of(routing_of(file_with("Table = off\nTable = auto", "::/0"))),
              ElementsAre("::/0 7200"));
}

TEST(WgQuickHooks, HaveTheInterfacesName) {
  EXPECT_EQ(hook_command("ip link show %i; echo %i%i", "wg0"), "ip link show wg0; echo wg0wg0");
  EXPECT_EQ(hook_command("printf %d 1", "wg0"), "printf %d 1");
  EXPECT_EQ(hook_command("", "wg0"), "");
}

TEST(Resolvconf, IsToldAsByWgQuick) {
  EXPECT_EQ(resolvconf_text({{1, "DNS", "10.0.0.1,fd00::1"}, {2, "DNS", "corp.example, lan"}}),
            "nameserver 10.0.0.1\nnameserver fd00::1\nsearch corp.example lan\n");
  EXPECT_EQ(resolvconf_text({{1, "DNS", "10.0.0.1"}}), "nameserver 10.0.0.1\n");
  EXPECT_EQ(resolvconf_record("wg0", ""), "wg0");
  EXPECT_EQ(resolvconf_record("wg0", "lo.inet6\nlo.@(dnsmasq|pdnsd)\n*\ntun*\neth*\n"), "tun.wg0");
  EXPECT_EQ(resolvconf_record("wg0", "lo\ntun[0-9]*\n"), "wg0");
}

TEST(WgQuickName, IsAFileOrAnInterface) {
  EXPECT_EQ(wg_quick_name("wg0")->path, "/etc/wireguard/wg0.conf");
  EXPECT_EQ(wg_quick_name("wg0")->interface, "wg0");
  EXPECT_EQ(wg_quick_name("./lab.conf")->interface, "lab");
  EXPECT_EQ(wg_quick_name("lab.conf")->path, "lab.conf");
  EXPECT_FALSE(wg_quick_name("/etc/passwd").ok());
  EXPECT_FALSE(wg_quick_name("a-name-that-is-too-long.conf").ok());
  EXPECT_FALSE(wg_quick_name("").ok());
}

TEST(Import, AFullMeshIsANetworkFile) {
  const auto file = parse_wg_quick(kWgQuickFile + "[Interface]\n", "wg0.conf");
  ASSERT_FALSE(file.ok());
  const auto good = parse_wg_quick(kWgQuickFile, "wg0.conf");
  const auto network = import_as_full_mesh(*good, *wg_quick_name("wg0.conf"), "kingfisher",
                                           "kingfisher.example.com:51820");
  ASSERT_TRUE(network.ok()) << network.error().message;
  const LoadedNetwork loaded = load_network(network->text);
  for (const Problem& problem : loaded.problems) {
    EXPECT_NE(problem.severity, Severity::kError) << problem_to_string(problem, "x");
  }
  const auto plan = plan_host(loaded.network, "kingfisher");
  ASSERT_TRUE(plan.ok()) << plan.error().message;
  EXPECT_EQ(plan->interface.name, "wg0");
  EXPECT_EQ(plan->interface.mtu, 1400u);
  ASSERT_EQ(plan->peers.size(), 2u);
  EXPECT_EQ(plan->peers[0].name, "heron");
  EXPECT_EQ(plan->peers[0].public_key.to_base64(), kPeerA);
  EXPECT_EQ(plan->peers[0].preshared_key_file, "wg0-heron.psk");
  EXPECT_EQ(plan->peers[1].name, "peer2");
  EXPECT_THAT(network->text, Not(HasSubstr(kPrivate)));
  EXPECT_THAT(network->text, Not(HasSubstr(kPsk)));
}

TEST(Import, WhatANetworkFileCannotSayIsRefusedWithItsLine) {
  const auto file = parse_wg_quick("[Interface]\nPrivateKey=" + kPrivate +
                                       "\nAddress=10.0.0.1/24\n[Peer]\nPublicKey=" + kPeerA +
                                       "\nAllowedIPs=0.0.0.0/0\nEndpoint=192.0.2.1:1\n",
                                   "wg0.conf");
  ASSERT_TRUE(file.ok());
  const auto network = import_as_full_mesh(*file, *wg_quick_name("wg0.conf"), "a", "");
  ASSERT_FALSE(network.ok());
  EXPECT_THAT(network.error().message, HasSubstr("wg0.conf:4: peer1: AllowedIPs has no single"));
  EXPECT_THAT(network.error().message, HasSubstr("--endpoint HOST:PORT"));
}

// What the words become, as the daemon reads it.
DeviceChange said(const std::vector<std::string>& words) {
  const Result<DeviceChange> change = read_set_words(words);
  if (!change) {
    ADD_FAILURE() << change.error().message;
    return {};
  }
  UapiParser parser;
  const SecretText request = make_set_request(*change);
  EXPECT_EQ(parser.feed(request.view()), request.view().size());
  EXPECT_TRUE(parser.complete());
  UapiRequest parsed = parser.take();
  EXPECT_FALSE(parsed.refusal.has_value());
  return std::move(parsed.change);
}

std::string refused(const std::vector<std::string>& words) {
  const auto change = read_set_words(words);
  EXPECT_FALSE(change.ok());
  return change ? std::string() : change.error().message;
}

TEST(SetWords, SayWhatTheDaemonReads) {
  const DeviceChange change =
      said({"listen-port", "51820", "fwmark", "0xca6c", "peer", kPeerA, "endpoint", "192.0.2.1:7",
            "persistent-keepalive", "25", "allowed-ips", "10.0.0.0/8,fd00::/64", "peer", kPeerB,
            "allowed-ips", "+10.1.0.0/16,-10.2.0.0/16", "peer", kPeerA, "remove"});
  EXPECT_EQ(change.listen_port, 51820);
  EXPECT_EQ(change.fwmark, 0xca6cu);
  EXPECT_FALSE(change.private_key.has_value());
  EXPECT_FALSE(change.replace_peers);
  ASSERT_EQ(change.peers.size(), 3u);
  EXPECT_EQ(change.peers[0].endpoint->to_string(), "192.0.2.1:7");
  EXPECT_EQ(change.peers[0].persistent_keepalive, 25);
  EXPECT_TRUE(change.peers[0].replace_allowed_ips);
  EXPECT_EQ(change.peers[0].allowed_ips.size(), 2u);
  EXPECT_FALSE(change.peers[1].replace_allowed_ips);
  EXPECT_FALSE(change.peers[1].allowed_ips[0].remove);
  EXPECT_TRUE(change.peers[1].allowed_ips[1].remove);
  EXPECT_TRUE(change.peers[2].remove);
}

TEST(SetWords, KeysComeFromFilesAlone) {
  testing::TemporaryDirectory directory;
  const std::string path = directory.path() + "/key";
  std::ofstream(path) << kPrivate << "\n";
  ::chmod(path.c_str(), 0600);
  EXPECT_EQ(key_to_base64(said({"private-key", path}).private_key->bytes()), kPrivate);
  EXPECT_TRUE(said({"private-key", "/dev/null"}).private_key->is_zero());
  EXPECT_TRUE(
      said({"peer", kPeerA, "preshared-key", "/dev/null"}).peers[0].preshared_key->is_zero());
  ::chmod(path.c_str(), 0644);
  EXPECT_THAT(refused({"private-key", path}), HasSubstr("chmod"));
}

TEST(SetWords, WhatIsWrongIsNamed) {
  EXPECT_THAT(refused({"listen-prt", "1"}), HasSubstr("did you mean \"listen-port\"?"));
  EXPECT_THAT(refused({"listen-port"}), HasSubstr("listen-port needs a value"));
  EXPECT_THAT(refused({"listen-port", "70000"}), HasSubstr("0 to 65535"));
  EXPECT_THAT(refused({"peer", "me"}), HasSubstr("public key in base64"));
  EXPECT_THAT(refused({"peer", kPeerA, "allowed-ips", "10.0.0.0/8,+10.1.0.0/16"}),
              HasSubstr("one of the two"));
  EXPECT_THAT(refused({"peer", kPeerA, "endpoint", "192.0.2.1"}), HasSubstr("endpoint 192.0.2.1"));
}

TEST(SetWords, AKeyInThePlaceOfItsFileIsNotShown) {
  for (const std::string& key : {kPsk, kPrivate, "/" + kPrivate.substr(1)}) {
    for (const auto& words : std::vector<std::vector<std::string>>{
             {"private-key", key},
             {"peer", kPeerA, "preshared-key", key},
             {"peer", kPeerA, "preshared-key", key.substr(0, 43) + "/="},
             {"peer", key + "x"},
             {"listen-port", key},
             {"fwmark", key},
             {"peer", kPeerA, "endpoint", key},
             {"peer", kPeerA, "allowed-ips", key},
             {"private-key=" + key},
             {key}}) {
      const std::string why = refused(words);
      EXPECT_THAT(why, Not(HasSubstr(key.substr(1, 20)))) << words.front();
      EXPECT_THAT(why, HasSubstr("not shown"));
    }
  }
  EXPECT_THAT(refused({"private-key", kPsk}), HasSubstr("keys come from files alone"));
  EXPECT_THAT(refused({"private-key", "/nowhere/wg0.key"}), HasSubstr("/nowhere/wg0.key"));
}

}  // namespace
}  // namespace hawser
