// Networks whose hosts do not go together: every clash is found and names both.
#include "network/address_plan_controllers_and_peers.h"
#include "network/check.h"
#include "support.h"

namespace hawser {
namespace {

using network_test::all_text;
using network_test::controller_text;
using network_test::kFullMesh;
using network_test::kNodeId;
using network_test::kVpn;
using network_test::member_text;
using network_test::peer_text;
using network_test::problems_of;
using network_test::public_key;
using network_test::says;
using testing::Contains;
using testing::ElementsAre;
using testing::Not;
using testing::UnorderedElementsAre;

const std::string kTwoControllers =
    kVpn + controller_text("server1", 1) + controller_text("server2", 2);

TEST(Check, ControllersWithOneIdAreNamedBoth) {
  EXPECT_THAT(problems_of(kVpn + controller_text("server34", 1) + controller_text("server245", 2)),
              ElementsAre(says({":6: error: controllers.server245: ", "server34 (line 3)",
                                "same subnet fdeb:f20c:85:6c00::/56"})));
}

TEST(Check, ControllerIdWithAZeroLowByteIsFine) {
  const std::string text = kVpn + controller_text("ctrl209", 1) + peer_text("peer1", 2);
  EXPECT_THAT(problems_of(text), ElementsAre());
  const HostPlan plan = network_test::good_plan(network_test::good_network(text), "ctrl209");
  EXPECT_EQ(plan.interface.addresses[0].to_string(), "fdeb:f20c:55::1/40");
  EXPECT_TRUE(IpAddress::parse(plan.interface.addresses[0].address.to_string()).has_value());
}

TEST(Check, PeersInOneSlash96AreNamedBoth) {
  // Both hash to 308a7a59….
  ASSERT_EQ(peer_suffix("peer17275") >> 32, peer_suffix("peer60118") >> 32);
  EXPECT_THAT(
      problems_of(kVpn + controller_text("server1", 1) + peer_text("peer17275", 2) +
                  peer_text("peer60118", 3)),
      ElementsAre(says({":8: error: peers.peer60118: ", "peer17275 (line 6)", "308a:7a59::/96"})));
}

TEST(Check, DuplicateKeysAreNamedBoth) {
  EXPECT_THAT(problems_of(kVpn + controller_text("server1", 1) + peer_text("laptop1", 1)),
              ElementsAre(says({":7: error: peers.laptop1.public_key: ", "server1 (line 3)"})));
}

TEST(Check, HostIsNotControllerAndPeerAtOnce) {
  EXPECT_THAT(
      problems_of(kVpn + controller_text("server1", 1) + peer_text("server1", 2)),
      ElementsAre(says({":6: error: peers.server1: ", "server1 (line 3) is a controller"})));
}

TEST(Check, NamesThatDifferInCaseOnlyClash) {
  EXPECT_THAT(problems_of(kVpn + controller_text("server1", 1) + peer_text("Laptop1", 2) +
                          peer_text("laptop1", 3)),
              ElementsAre(says({":8: error: peers.laptop1: ", "Laptop1 (line 6)"})));
}

TEST(Check, DesignatedControllerMustExistAndBeTold) {
  EXPECT_THAT(problems_of(kTwoControllers + peer_text("a", 3, "controller = \"sever2\"\n") +
                          peer_text("b", 4)),
              UnorderedElementsAre(
                  says({":11: error: peers.a.controller: \"sever2\"", "did you mean \"server2\"?"}),
                  says({":12: error: peers.b.controller: is missing", "2 controllers"})));
  EXPECT_THAT(
      problems_of(kVpn + controller_text("server1", 1) + peer_text("a", 3, "controller = \"a\"\n")),
      ElementsAre(says({"peers.a.controller: \"a\" is not a controller"})));
}

TEST(Check, FullMeshAddressesMustBeUniqueAndInside) {
  EXPECT_THAT(
      problems_of(kFullMesh + member_text("a", 1, "10.42.0.1") + member_text("b", 2, "10.42.0.1") +
                  member_text("c", 3, "10.43.0.1") + member_text("d", 4, "fd00::1") +
                  member_text("e", 5, "10.42.0.255") + member_text("f", 6, "10.42.0.0")),
      UnorderedElementsAre(
          says({":12: error: members.b.mesh_ip: 10.42.0.1", "a (line 5)"}),
          says({"members.c.mesh_ip: 10.43.0.1 is outside of the network 10.42.0.0/24"}),
          says({"members.d.mesh_ip: fd00::1 is outside of the network"}),
          says({"members.e.mesh_ip: 10.42.0.255 is not a host's address"}),
          says({"members.f.mesh_ip: 10.42.0.0 is not a host's address"})));
}

TEST(Check, NodeIdSubnetThatIsFullIsTold) {
  std::string text = kNodeId + "cidr = \"10.50.0.0/30\"\n";
  for (std::uint32_t i = 1; i <= 5; ++i) text += member_text("m" + std::to_string(i), i, "");
  EXPECT_THAT(problems_of(text), Contains(says({"error: members.m5: finds no free address"})));
}

TEST(Check, EndpointsMustBeDistinct) {
  const std::string text = kFullMesh + member_text("a", 1, "10.42.0.1") + "[members.b]\n" +
                           "public_key = \"" + public_key(2) +
                           "\"\nmesh_ip = \"10.42.0.2\"\nendpoint = \"192.0.2.1:51820\"\n";
  EXPECT_THAT(
      problems_of(text),
      ElementsAre(says({":12: error: members.b.endpoint: ", "192.0.2.1:51820", "a (line 5)"})));
}

std::string member_at(const std::string& endpoint) {
  return kFullMesh + member_text("a", 1, "10.42.0.1") + "[members.b]\npublic_key = \"" +
         public_key(2) + "\"\nmesh_ip = \"10.42.0.2\"\nendpoint = \"" + endpoint + "\"\n";
}

TEST(Check, EndpointInsideOfTheNetworkIsAnError) {
  EXPECT_THAT(problems_of(member_at("10.42.0.2:51820")),
              ElementsAre(says({"error: members.b.endpoint: ", "inside of the network"})));
  EXPECT_THAT(problems_of(member_at("A.wg0:51820")),
              ElementsAre(says({"error: members.b.endpoint: ", "is a name of this network"})));
  EXPECT_THAT(problems_of(member_at("0.0.0.0:51820")),
              ElementsAre(says({"error: members.b.endpoint: ", "not the address of a host"})));
  EXPECT_THAT(problems_of(member_at("127.0.0.1:51820")),
              ElementsAre(says({"warning: members.b.endpoint: ", "same machine"})));
  EXPECT_THAT(problems_of(member_at("LocalHost.:51820")),
              ElementsAre(says({"warning: members.b.endpoint: ", "same machine"})));
  EXPECT_THAT(problems_of(member_at("a.wg0.:51820")),
              ElementsAre(says({"error: members.b.endpoint: ", "is a name of this network"})));
  EXPECT_THAT(problems_of(member_at("[fe80::1]:51820")),
              ElementsAre(says({"error: members.b.endpoint: ", "link-local"})));
}

TEST(Check, EndpointPortThatNobodyListensOnIsAWarning) {
  const std::string text = member_at("192.0.2.2:443");
  EXPECT_THAT(problems_of(text),
              ElementsAre(says({"warning: members.b.endpoint: ", "port = 443"})));
  EXPECT_THAT(problems_of(text + "port = 443\n"), ElementsAre());
}

TEST(Check, EndpointThatIsThisHostsOwnIsAnError) {
  const std::string text = member_at("198.51.100.7:51820");
  const std::vector<IpAddress> own = {*IpAddress::parse("192.0.2.1"),
                                      *IpAddress::parse("198.51.100.7")};
  CheckContext context;
  context.host = "a";
  context.local_addresses = own;
  EXPECT_THAT(
      problems_of(text, context),
      ElementsAre(says({":12: error: members.b.endpoint: 198.51.100.7:51820", "this host, a"})));
  context.host = "b";
  // a's endpoint is this machine's too.
  EXPECT_THAT(problems_of(text, context), ElementsAre(says({"members.a.endpoint: "})));
  context.local_addresses = {};
  EXPECT_THAT(problems_of(text, context), ElementsAre());
}

TEST(Check, LoopbackEndpointIsThisHostsOwnWhenThePortIs) {
  const std::string text = member_at("127.0.0.1:51821");
  CheckContext context;
  context.host = "a";
  EXPECT_THAT(problems_of(text + "port = 51821\n", context),
              ElementsAre(says({"warning", "same machine"})));
  EXPECT_THAT(problems_of(member_at("127.0.0.1:51820"), context),
              Contains(says({"error", "this host, a"})));
}

TEST(Check, PrivateKeyMustMatchTheHost) {
  const std::string text = kVpn + controller_text("server1", 1) + peer_text("laptop1", 2);
  const PrivateKey key = network_test::private_key(2);
  CheckContext context;
  context.private_key = &key;
  context.host = "laptop1";
  EXPECT_THAT(problems_of(text, context), ElementsAre());
  context.host = "server1";
  EXPECT_THAT(problems_of(text, context),
              ElementsAre(says({":4: error: controllers.server1.public_key: ", public_key(2),
                                "the key of laptop1 (line 6)"})));
}

TEST(Check, HostThatIsNotInTheFileIsTold) {
  CheckContext context;
  context.host = "server";
  EXPECT_THAT(problems_of(kVpn + controller_text("server1", 1), context),
              ElementsAre(says({"--host server", "did you mean \"server1\"?"})));
}

TEST(Check, AllowedIpsOfTheNetworkItselfAreNotForTheTaking) {
  const std::string peer1 = "[\"fdeb:f20c:3b:f700:6987:50a0:9b93:4337/128\"]";
  // peer1's own address: the plan says the same.
  EXPECT_THAT(problems_of(kVpn + controller_text("controller1", 1) +
                          peer_text("peer1", 2, "allowed_ips = " + peer1 + "\n")),
              ElementsAre());
  EXPECT_THAT(problems_of(kVpn + controller_text("controller1", 1) + peer_text("peer1", 2) +
                          peer_text("peer2", 3, "allowed_ips = " + peer1 + "\n")),
              ElementsAre(says({":10: error: peers.peer2.allowed_ips: ", "peer1 (line 6)"})));
  EXPECT_THAT(problems_of(kVpn + controller_text("controller1", 1) +
                          peer_text("peer2", 3, "allowed_ips = [\"fdeb:f20c:3b:f700::1\"]\n")),
              ElementsAre(says({":8: error: peers.peer2.allowed_ips: ", "controller1 (line 3)"})));
}

TEST(Check, AllowedIpsBroaderThanThePlanAreWarnedOfByName) {
  EXPECT_THAT(problems_of(kVpn + controller_text("controller1", 1) + peer_text("peer1", 2) +
                          peer_text("peer2", 3, "allowed_ips = [\"fdeb:f20c::/40\"]\n")),
              ElementsAre(says({":10: warning: peers.peer2.allowed_ips: fdeb:f20c::/40 is broader",
                                "controller1, peer1"})));
  EXPECT_THAT(problems_of(kVpn + controller_text("controller1", 1) +
                          peer_text("peer2", 3, "allowed_ips = [\"0.0.0.0/0\", \"::/0\"]\n")),
              ElementsAre(says({"warning", "0.0.0.0/0 offers an exit, and no host takes it"}),
                          says({"warning", "::/0 offers an exit, and no host takes it"})));
  EXPECT_THAT(problems_of(kFullMesh + member_text("a", 1, "10.42.0.1") +
                          member_text("b", 2, "10.42.0.2", "allowed_ips = [\"10.0.0.0/8\"]\n")),
              ElementsAre(says({"warning: members.b.allowed_ips: 10.0.0.0/8 is broader", " a"})));
}

TEST(Check, AllowedIpAtTwoHostsIsToldWithItsOrder) {
  EXPECT_THAT(problems_of(kVpn + controller_text("server1", 1) +
                          peer_text("a", 2, "allowed_ips = [\"192.168.7.9/24\"]\n") +
                          peer_text("b", 3, "allowed_ips = [\"192.168.7.0/24\"]\n")),
              ElementsAre(says({":8: warning: ", "192.168.7.9/24"}),
                          says({":11: warning: peers.b.allowed_ips: 192.168.7.0/24", "a (line 8)",
                                "a before b", "site_order"})));
  EXPECT_THAT(problems_of(kVpn + controller_text("server1", 1) +
                          peer_text("a", 2, "allowed_ips = [\"192.168.7.0/24\"]\n") +
                          peer_text("b", 3, "allowed_ips = [\"192.168.0.0/16\"]\n")),
              ElementsAre(says({":8: warning: peers.a.allowed_ips: 192.168.7.0/24",
                                "192.168.0.0/16 of b (line 11)"})));
}

TEST(Check, SiteOrderNamesHostsOnce) {
  const auto problems = [](const std::string& order) {
    return problems_of("[network]\nname = \"vpn\"\nsite_order = [" + order + "]\n" +
                       controller_text("server1", 1) + peer_text("printer", 2));
  };
  EXPECT_THAT(problems("\"printer\", \"server1\""), ElementsAre());
  EXPECT_THAT(problems("\"printre\""),
              ElementsAre(says({":3: error: network.site_order: \"printre\"", "printer"})));
  EXPECT_THAT(problems("\"printer\", \"printer\""),
              ElementsAre(says({":3: error: network.site_order: names printer twice"})));
}

TEST(Check, MoreHostsInFrontOfOneNetworkThanListsTakeAreAnError) {
  std::string text = kVpn + controller_text("server1", 1);
  for (std::uint32_t i = 2; i <= 18; ++i) {
    text += peer_text("host" + std::to_string(i), i, "allowed_ips = [\"192.168.7.0/24\"]\n");
  }
  EXPECT_THAT(problems_of(text), Contains(says({"error", "192.168.7.0/24 is at 17 hosts", "16"})));
}

TEST(Check, AllowedIpThatHoldsAnEndpointIsWarnedOf) {
  EXPECT_THAT(problems_of(kVpn + controller_text("server1", 1) +
                          peer_text("a", 2, "allowed_ips = [\"192.0.2.0/24\"]\n")),
              ElementsAre(says({":8: warning: peers.a.allowed_ips: 192.0.2.0/24 holds the endpoint",
                                "server1 (line 3)"})));
}

TEST(Check, MembersThatCannotCallEachOtherAreWarnedOf) {
  const auto silent = [](const std::string& name, std::uint32_t key) {
    return "[members." + name + "]\npublic_key = \"" + public_key(key) + "\"\n";
  };
  EXPECT_THAT(problems_of(kNodeId + member_text("a", 1, "") + silent("b", 2)), ElementsAre());
  EXPECT_THAT(problems_of(kNodeId + silent("a", 1) + silent("b", 2)),
              ElementsAre(says({"warning: members.b.endpoint: ", "a (line 4)"})));
}

TEST(Check, TooManyControllersAreTold) {
  std::string text = kVpn;
  for (std::uint32_t i = 1; i <= kMaxControllers; ++i) {
    text += controller_text("c" + std::to_string(i), i);
  }
  EXPECT_THAT(problems_of(text), ElementsAre());
  EXPECT_THAT(problems_of(text + controller_text("more", 200)),
              ElementsAre(says({"error: controllers: there are 33", "the limit is 32"})));
}

class Files : public KeyFiles {
 public:
  Result<PrivateKey> private_key(const std::string& path) override {
    return Error{path + " is missing"};
  }
  Result<PresharedKey> preshared_key(const std::string& path) override {
    read.push_back(path);
    if (path == "zero") return PresharedKey();
    if (path != "good") return Error{path + " cannot be read: no such file; write one"};
    std::array<std::uint8_t, kKeyLen> bytes{};
    bytes.fill(1);
    return PresharedKey(bytes);
  }
  std::vector<std::string> read;
};

TEST(Check, PresharedKeyFilesOfThisHostsTunnelsAreRead) {
  const std::string text = kVpn + controller_text("server1", 1) +
                           peer_text("a", 2, "preshared_key_file = \"good\"\n") +
                           peer_text("b", 3, "preshared_key_file = \"gone\"\n") +
                           peer_text("c", 4, "preshared_key_file = \"zero\"\n");
  Files files;
  CheckContext context;
  context.key_files = &files;
  EXPECT_THAT(problems_of(text, context), ElementsAre());
  EXPECT_THAT(files.read, ElementsAre());
  context.host = "a";
  EXPECT_THAT(problems_of(text, context), ElementsAre());
  EXPECT_THAT(files.read, ElementsAre("good"));
  context.host = "server1";
  EXPECT_THAT(
      problems_of(text, context),
      UnorderedElementsAre(says({"peers.b.preshared_key_file: gone cannot be read"}),
                           says({"peers.c.preshared_key_file: zero holds a key of zeros"})));
}

TEST(Check, EverythingIsFoundAtOnce) {
  const std::string text = kVpn + "colour = \"blue\"\n" + controller_text("server34", 1) +
                           controller_text("server245", 1) +
                           peer_text("a", 3, "controller = \"server35\"\n") +
                           "[peers.b]\npublic_key = \"…\"\ncontroller = \"server34\"\n";
  const std::vector<Problem> problems = problems_of(text);
  EXPECT_THAT(problems,
              UnorderedElementsAre(
                  says({":3:", "network.colour"}), says({":7:", "same subnet"}),
                  says({":8:", "public_key", "server34"}), says({":9:", "endpoint", "server34"}),
                  says({":12:", "\"server35\" is not a controller", "did you mean \"server34\"?"}),
                  says({":14:", "placeholder"})))
      << all_text(problems);
  for (std::size_t i = 1; i < problems.size(); ++i) {
    EXPECT_LE(problems[i - 1].line, problems[i].line);
  }
}

}  // namespace
}  // namespace hawser
