// Files that are wrong taken key by key: every problem is found at once, with its line.
#include <array>

#include "network/endpoint_name.h"
#include "network/nearest_name.h"
#include "support.h"

namespace hawser {
namespace {

using network_test::all_text;
using network_test::controller_text;
using network_test::kFullMesh;
using network_test::kNodeId;
using network_test::kVpn;
using network_test::line_with;
using network_test::member_text;
using network_test::peer_text;
using network_test::public_key;
using network_test::says;
using testing::Contains;
using testing::ElementsAre;
using testing::UnorderedElementsAre;

TEST(Parse, ExamplesAreClean) {
  for (const std::string name : {"controllers-and-peers.toml", "full-mesh.toml", "node-id.toml",
                                 "controllers-and-peers.json"}) {
    const LoadedNetwork loaded =
        load_network(network_test::read_text(std::string(EXAMPLES_DIR) + '/' + name));
    EXPECT_THAT(loaded.problems, ElementsAre()) << name << '\n' << all_text(loaded.problems);
    ASSERT_FALSE(loaded.network.hosts.empty());
    for (const NetworkHost& host : loaded.network.hosts) {
      EXPECT_TRUE(plan_host(loaded.network, host.name).ok()) << host.name;
    }
  }
}

TEST(Parse, UnknownKeySuggestsTheNearest) {
  const std::string text = kVpn + "prot = 51821\n" + controller_text("server1", 1) +
                           "keepalive = 25\n" + peer_text("laptop1", 2, "pubkey = \"x\"\n") +
                           "[controler.server2]\n";
  const LoadedNetwork loaded = load_network(text);
  EXPECT_THAT(loaded.problems,
              UnorderedElementsAre(
                  says({"net.toml:3: error: network.prot: ", "did you mean \"port\"?"}),
                  says({":7: error: controllers.server1.keepalive: ",
                        "did you mean \"persistent_keepalive\"?"}),
                  says({":10: error: peers.laptop1.pubkey: ", "did you mean \"public_key\"?"}),
                  says({":11: error: controler: ", "did you mean \"controllers\"?"})));
}

TEST(Parse, SectionOfAnotherPlanIsNamed) {
  const LoadedNetwork loaded =
      load_network(kVpn + controller_text("server1", 1) + member_text("laptop1", 2, "10.42.0.1"));
  EXPECT_THAT(
      loaded.problems,
      ElementsAre(says({"members: are not for plan controllers-and-peers", "[peers.NAME]"})));
}

TEST(Parse, KeysOfAnotherPlanAreNamed) {
  const LoadedNetwork loaded =
      load_network(kVpn + "cidr = \"10.0.0.0/8\"\n" + controller_text("server1", 1) +
                   "controller = \"server1\"\nmesh_ip = \"10.0.0.1\"\n" +
                   peer_text("laptop1", 2, "endpoint = \"192.0.2.9:51820\"\nport = 1\n"));
  EXPECT_THAT(loaded.problems,
              UnorderedElementsAre(
                  says({":3: error: network.cidr: is not for plan controllers-and-peers"}),
                  says({"controllers.server1.controller: is only for peers"}),
                  says({"controllers.server1.mesh_ip: is not for plan controllers-and-peers"}),
                  says({"peers.laptop1.endpoint: is not for peers"}),
                  says({"peers.laptop1.port: is not for peers"})));
}

TEST(Parse, PlanIsSuggestedAndTheRestJudgedByIt) {
  const LoadedNetwork loaded =
      load_network("[network]\nname = \"wg0\"\nplan = \"fullmesh\"\ncidr = \"10.42.0.0/24\"\n" +
                   member_text("a", 1, "10.42.0.1"));
  EXPECT_THAT(
      loaded.problems,
      ElementsAre(says({":3: error: network.plan: \"fullmesh\"", "did you mean \"full-mesh\"?"})));
}

TEST(Parse, WrongTypesAndRangesAreFoundTogether) {
  const LoadedNetwork loaded = load_network(
      "[network]\nname = 7\ndomain = \"a..b\"\nmtu = 1200\nport = \"51820\"\n"
      "[controllers.server1]\npublic_key = [\"x\"]\nendpoint = \"vpn1.example.com\"\n"
      "persistent_keepalive = 70000\nallowed_ips = \"10.0.0.0/8\"\ntags = [\"a\", 1]\n"
      "[peers.laptop1]\nallowed_ips = [\n\"10.0.0.0/8\",\n\"10.1.0.0/33\"]\n");
  EXPECT_THAT(
      loaded.problems,
      UnorderedElementsAre(says({":2: error: network.name: is not a string"}),
                           says({":4: error: network.mtu: is 1200", "from 1280 to 65535"}),
                           says({":5: error: network.port: is not a whole number"}),
                           says({":7: error: controllers.server1.public_key: is not a string"}),
                           says({":8: error: controllers.server1.endpoint: ", "has no port"}),
                           says({":9: error: controllers.server1.persistent_keepalive: is 70000"}),
                           says({":10: error: controllers.server1.allowed_ips: is not a list"}),
                           says({":11: error: controllers.server1.tags: "}),
                           says({":12: error: peers.laptop1.public_key: is missing"}),
                           says({":15: error: peers.laptop1.allowed_ips: \"10.1.0.0/33\""})))
      << all_text(loaded.problems);
}

TEST(Parse, PlaceholdersAndMalformedKeysAreTold) {
  const auto problem = [](const std::string& key) {
    const LoadedNetwork loaded =
        load_network(kVpn + "[controllers.server1]\nendpoint = \"192.0.2.1:51820\"\n" +
                     "public_key = \"" + key + "\"\n");
    return all_text(loaded.problems);
  };
  using testing::HasSubstr;
  for (const std::string placeholder :
       {"…", "...", "<public key of server1>", "REPLACE_ME", "YOUR_KEY_HERE", "xxxxxxxx",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}) {
    EXPECT_THAT(problem(placeholder), HasSubstr("5: error: controllers.server1.public_key: "));
    EXPECT_THAT(problem(placeholder), HasSubstr("placeholder")) << placeholder;
  }
  EXPECT_THAT(problem(""), HasSubstr("is empty"));
  EXPECT_THAT(problem("c2hvcnQ="), HasSubstr("has 44 characters of base64, this has 8"));
  // The last character may not set bits beyond the 32nd byte.
  EXPECT_THAT(problem("eXOlp8WRR68IuJGeX1Uld2AO6udhWN9GKPyeL4O992R="),
              HasSubstr("its base64 is malformed"));
  EXPECT_THAT(problem("AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
              HasSubstr("point of small order"));
  EXPECT_EQ(problem(network_test::public_key(1)), "");
}

TEST(Parse, InterfaceNameOverTheLimitIsTold) {
  const std::string rest = controller_text("server1", 1);
  const LoadedNetwork loaded =
      load_network("[network]\nname = \"a-network-that-has-a-long-name\"\n" + rest);
  EXPECT_THAT(loaded.problems,
              ElementsAre(says({":2: error: network.name: ", "has 30 characters, the limit is 15",
                                "interface = "})));
  EXPECT_THAT(load_network("[network]\nname = \"a-network-that-has-a-long-name\"\n"
                           "interface = \"wg0\"\n" +
                           rest)
                  .problems,
              ElementsAre());
  EXPECT_THAT(load_network("[network]\nname = \"vpn\"\ninterface = \"a/b\"\n" + rest).problems,
              ElementsAre(says({":3: error: network.interface: "})));
}

TEST(Parse, NamesThatDoNotFitAHostsFileAreTold) {
  for (const std::string& name :
       std::vector<std::string>{"\"two words\"", "\"new\\nline\"", "\"-a\"", "\"a..b\"",
                                "\"" + std::string(64, 'a') + "\"", "\"\""}) {
    const LoadedNetwork loaded =
        load_network(kVpn + controller_text("server1", 1) + peer_text(name, 2));
    EXPECT_THAT(loaded.problems, Contains(says({":6: error: peers.", "as a host's name"}))) << name;
    EXPECT_EQ(all_text(loaded.problems).find("new\nline"), std::string::npos);
  }
}

TEST(Parse, CidrIsChecked) {
  const auto problems = [](const std::string& plan, const std::string& cidr) {
    return load_network("[network]\nname = \"lab\"\nplan = \"" + plan + "\"\ncidr = \"" + cidr +
                        "\"\n" + member_text("a", 1, plan == "full-mesh" ? "10.42.0.1" : ""))
        .problems;
  };
  EXPECT_THAT(problems("full-mesh", "10.42.0.0/24"), ElementsAre());
  EXPECT_THAT(problems("full-mesh", "10.42.0.0"), ElementsAre(says({"network.cidr"})));
  EXPECT_THAT(problems("full-mesh", "ten"), ElementsAre(says({"network.cidr"})));
  EXPECT_THAT(problems("full-mesh", "10.42.0.7/24"),
              ElementsAre(says({"warning", "write 10.42.0.0/24"})));
  EXPECT_THAT(problems("node-id", "10.42.0.0/30"), ElementsAre());
  EXPECT_THAT(problems("node-id", "10.42.0.0/31"), ElementsAre(says({"error", "up to /30"})));
  EXPECT_THAT(problems("node-id", "fd00::/64"), ElementsAre(says({"error", "is not IPv4"})));
  EXPECT_THAT(load_network("[network]\nname = \"a\"\nplan = \"full-mesh\"\n").problems,
              Contains(says({"network.cidr: is missing"})));
}

TEST(Parse, TomlSyntaxErrorHasItsLine) {
  const LoadedNetwork loaded = load_network("[network]\nname = \"vpn\nport = 1\n");
  EXPECT_THAT(loaded.problems, ElementsAre(says({"net.toml:2: error: is not TOML: "})));
  // A section that stands twice is a syntax error in TOML.
  const std::string twice = kVpn + controller_text("a", 1) + controller_text("a", 2);
  EXPECT_THAT(load_network(twice).problems, ElementsAre(says({"net.toml:6: error: "})));
}

TEST(Parse, JsonSyntaxErrorHasItsLineAndByte) {
  const LoadedNetwork loaded =
      load_network("{\n  \"network\": {\n    \"name\": \"vpn\",\n  }\n}\n");
  EXPECT_THAT(loaded.problems, ElementsAre(says({"net.toml:4: error: is not JSON (byte 39)"})))
      << all_text(loaded.problems);
}

TEST(Parse, JsonProblemsHaveLinesAndPaths) {
  const std::string text =
      "{\n"
      "  \"network\": {\n"
      "    \"name\": \"vpn\",\n"
      "    \"prot\": 1\n"
      "  },\n"
      "  \"controllers\": {\n"
      "    \"server1\": {\"endpoint\": 12},\n"
      "    \"server1\": {\n"
      "      \"public_key\": \"…\",\n"
      "      \"endpoint\": \"192.0.2.1:51820\",\n"
      "      \"allowed_ips\": [\n"
      "        \"10.0.0.0/8\",\n"
      "        \"nonsense\"\n"
      "      ]\n"
      "    }\n"
      "  }\n"
      "}\n";
  const LoadedNetwork loaded = load_network(text);
  EXPECT_THAT(
      loaded.problems,
      UnorderedElementsAre(says({":4: error: network.prot: ", "did you mean \"port\"?"}),
                           says({":7: error: controllers.server1.endpoint: is not a string"}),
                           says({":7: error: controllers.server1.public_key: is missing"}),
                           says({":8: error: controllers.server1: stands here a second time"}),
                           says({":9: error: controllers.server1.public_key: is a placeholder"}),
                           says({":13: error: controllers.server1.allowed_ips: \"nonsense\""})))
      << all_text(loaded.problems);
}

TEST(Parse, EmptyFileAndFileWithoutHostsAreErrors) {
  EXPECT_THAT(load_network("").problems, ElementsAre(says({"error: network: is missing"})));
  EXPECT_THAT(load_network("{}").problems, ElementsAre(says({"error: network: is missing"})));
  EXPECT_THAT(load_network(kVpn).problems, ElementsAre(says({"error: controllers: "})));
  EXPECT_THAT(load_network(kNodeId).problems, ElementsAre(says({"error: members: "})));
}

TEST(Parse, ByteOrderMarksAndLineEndsOfOtherSystemsDoNotMatter) {
  const std::string toml = kVpn + controller_text("a", 1) + "# a comment\n";
  const std::string json =
      "{\n\"network\": {\"name\": \"vpn\"},\n\"controllers\": {\"a\": {\n"
      "\"public_key\": \"" +
      public_key(1) + "\", \"endpoint\": \"192.0.2.1:51820\"}}}";
  for (const std::string& text : {toml, json}) {
    std::string crlf;
    for (const char c : text) crlf += c == '\n' ? "\r\n" : std::string(1, c);
    for (const std::string& variant : {text, "\xef\xbb\xbf" + text, crlf, "\xef\xbb\xbf" + crlf}) {
      const LoadedNetwork loaded = load_network(variant);
      EXPECT_THAT(loaded.problems, testing::IsEmpty()) << all_text(loaded.problems);
      EXPECT_EQ(loaded.network.hosts.size(), 1U);
    }
  }
}

TEST(Parse, Utf16IsNamed) {
  std::string wide = "\xff\xfe";
  for (const char c : kVpn) wide += std::string{c, '\0'};
  for (const std::string& text : {wide, wide.substr(2), std::string("\xfe\xff\0[", 4)}) {
    EXPECT_THAT(load_network(text).problems,
                ElementsAre(says({"net.toml:1: error: is not text in UTF-8", "save it as UTF-8"})));
  }
}

TEST(Parse, AllowedIpsWithHostBitsAreWarnedOf) {
  const std::string text = kVpn + controller_text("a", 1) +
                           peer_text("b", 2, "allowed_ips = [\"10.1.0.0/16\", \"10.0.0.5/24\"]\n");
  EXPECT_THAT(load_network(text).problems,
              ElementsAre(says({":8: warning: peers.b.allowed_ips: \"10.0.0.5/24\" has bits set",
                                "write 10.0.0.0/24"})));
}

// They are written into hosts files and wg-quick's configuration, where a line may be a command.
TEST(Parse, NamesAndPathsStayOnTheirLine) {
  EXPECT_THAT(load_network("[network]\nname = \"a\\nb\"\ndomain = \"a\"\ninterface = \"a\"\n" +
                           controller_text("c", 1))
                  .problems,
              ElementsAre(says({":2: error: network.name: holds characters"})));
  EXPECT_THAT(load_network(kVpn + controller_text("c", 1) +
                           peer_text("p", 2, "preshared_key_file = \"a\\nPostUp = b\"\n"))
                  .problems,
              ElementsAre(says({":8: error: peers.p.preshared_key_file: holds characters"})));
  EXPECT_THAT(load_network(kVpn + controller_text("c", 1) +
                           peer_text("p", 2, "preshared_key_file = \"\"\n"))
                  .problems,
              ElementsAre(says({":8: error: peers.p.preshared_key_file: is empty"})));
}

TEST(Parse, AnyBytesAreSurvived) {
  std::uint32_t state = 1;
  for (int round = 0; round < 2000; ++round) {
    std::string text = round % 2 == 0 ? kVpn + controller_text("a", 1) + peer_text("b", 2)
                                      : "{\"network\": {\"name\": \"vpn\"}, \"peers\": {}}";
    for (int flips = 0; flips < 3; ++flips) {
      state = state * 1664525 + 1013904223;
      text[(state >> 8) % text.size()] = static_cast<char>(state >> 24);
    }
    load_network(text);
  }
  load_network(std::string(100000, '['));
  load_network("[[[a]]]");
  load_network("[[=");
  load_network("a = \u00e4");
  load_network("\u03eb = 1");
  load_network("a = " + std::string(100000, '['));
  load_network("{\"a\":" + std::string(100000, '['));
  load_network(std::string("\0\0\0", 3));
  load_network("{\"network\": {\"port\": 99999999999999999999999999}}");
}

TEST(EndpointName, FormsThatAreTaken) {
  std::string fault;
  for (const std::string text : {"vpn1.example.com:51820", "192.0.2.1:1", "[2001:db8::1]:65535"}) {
    const auto endpoint = parse_endpoint_name(text, fault);
    ASSERT_TRUE(endpoint.has_value()) << text << ' ' << fault;
    EXPECT_EQ(endpoint->to_string(), text);
  }
  EXPECT_EQ(parse_endpoint_name("vpn1.example.com.:1", fault)->host, "vpn1.example.com.");
  EXPECT_EQ(parse_endpoint_name("[2001:DB8:0::1]:1", fault)->to_string(), "[2001:db8::1]:1");
}

TEST(EndpointName, FormsThatAreNot) {
  for (const std::string text : {"",
                                 ":",
                                 ":51820",
                                 "host",
                                 "host:",
                                 "host:0",
                                 "host:65536",
                                 "host:5x",
                                 "host..:5",
                                 "http://host:5",
                                 "[::ffff:192.0.2.1]:1",
                                 "2001:db8::1",
                                 "2001:db8::1:51820",
                                 "[2001:db8::1]",
                                 "[2001:db8::1:51820",
                                 "[192.0.2.1]:1",
                                 "[fe80::1%3]:1",
                                 "192.0.2.300:1",
                                 "ho st:1",
                                 "-host:1",
                                 "[]:1",
                                 "[",
                                 "[:1"}) {
    std::string fault;
    EXPECT_FALSE(parse_endpoint_name(text, fault).has_value()) << text;
    EXPECT_FALSE(fault.empty()) << text;
  }
}

TEST(NearestName, FindsMistypedNamesAndLeavesStrangersAlone) {
  const std::vector<std::string_view> known = {"public_key", "endpoint", "allowed_ips", "mtu"};
  EXPECT_EQ(nearest_name("Public-Key", known), "public_key");
  EXPECT_EQ(nearest_name("allowedips", known), "allowed_ips");
  EXPECT_EQ(nearest_name("endpiont", known), "endpoint");
  EXPECT_EQ(nearest_name("mut", known), "mtu");
  EXPECT_EQ(nearest_name("colour", known), "");
  EXPECT_EQ(nearest_name("xyz", known), "");
  const std::array<std::string_view, 3> options{"--mtu", "--workers", "--engine"};
  EXPECT_EQ(nearest_name("--mut", options), "--mtu");
  EXPECT_EQ(nearest_name("--engin", options), "--engine");
  EXPECT_EQ(nearest_name("--quite-another", options), "");
  EXPECT_EQ(suggest_name("colour", known), "known are public_key, endpoint, allowed_ips, mtu");
}

}  // namespace
}  // namespace hawser
