// docs/STATUS.md against what the daemon and the command really say.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "ctl/status_client.h"
#include "ctl/status_report.h"

namespace hawser {
namespace {

using Fields = std::set<std::string>;

// The first cells of the tables between two headings.
Fields documented(const std::string& from, const std::string& to) {
  std::ifstream file(STATUS_DOCUMENT);
  std::ostringstream all;
  all << file.rdbuf();
  std::string text = all.str();
  const std::size_t begin = text.find(from);
  EXPECT_NE(begin, text.npos) << from;
  text = text.substr(begin, to.empty() ? text.npos : text.find(to) - begin);
  Fields fields;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("| `")) fields.insert(line.substr(3, line.find('`', 3) - 3));
  }
  return fields;
}

Fields fields_of(const nlohmann::json& object) {
  Fields fields;
  for (const auto& [key, value] : object.items()) fields.insert(key);
  return fields;
}

// A daemon that has something to say in every field.
nlohmann::json whole_status() {
  StatusFacts facts;
  facts.interface = "vpn";
  facts.engine = "epoll";
  facts.engine_reason = "io_uring_setup: Operation not permitted";
  facts.aead = "boringssl";
  DeviceView view;
  view.public_key.bytes.fill(1);
  PeerView& peer = view.peers.emplace_back();
  peer.public_key.bytes.fill(2);
  peer.next_public_key.emplace();
  peer.endpoint.emplace();
  peer.is_controller = true;
  NetworkFacts& network = facts.network.emplace();
  network.network = "vpn";
  network.host = "laptop1";
  network.role = "peer";
  network.confirm_until = 1234;
  network.taken_back = 1200;
  network.exit = "storage";
  network.missing = {"address fd00::1/56"};
  network.hosts_problem = "cannot write hosts file /etc/hosts";
  network.peers[peer.public_key] = {"server1", "controller", "vpn1.example.com:51820"};
  network.routes.push_back({*Prefix::parse("fd00::/56"), {peer.public_key}});
  const auto answer = parse_status(make_status_report(facts, view, {}));
  EXPECT_TRUE(answer.ok());
  return nlohmann::json::parse(status_to_json({*answer}));
}

TEST(StatusDocument, HasEveryFieldAndNoOther) {
  const nlohmann::json status = whole_status();
  EXPECT_EQ(status["schema_version"], kStatusSchemaVersion);
  EXPECT_EQ(fields_of(status), documented("# What", "## An interface"));
  const nlohmann::json& interface = status["interfaces"][0];
  EXPECT_EQ(fields_of(interface), documented("## An interface", "## A peer"));
  EXPECT_EQ(fields_of(interface["peers"][0]), documented("## A peer", ""));
  EXPECT_EQ(fields_of(interface["routes"][0]), (Fields{"destination", "via"}));
}

TEST(StatusDocument, LivenessHasOneSpelling) {
  const auto peer_with = [](const std::string& lines) {
    const auto answer = parse_status("interface=vpn\npublic_key=" + std::string(64, '2') +
                                     "\nname=a\n" + lines + "errno=0\n\n");
    return nlohmann::json::parse(status_to_json({*answer}))["interfaces"][0]["peers"][0];
  };
  EXPECT_EQ(peer_with("reachable=true\nhas_session=true\n")["liveness"], "alive");
  EXPECT_EQ(peer_with("reachable=false\nhas_session=true\n")["liveness"], "dead");
  EXPECT_EQ(peer_with("reachable=false\nlast_handshake_time_sec=7\n")["liveness"], "dead");
  EXPECT_EQ(peer_with("reachable=false\n")["liveness"], "unheard");
  EXPECT_FALSE(peer_with("reachable=true\n").contains("reachable"));
}

}  // namespace
}  // namespace hawser
