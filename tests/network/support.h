#pragma once
// What the tests of network/ share: keys, network files written by hand, ways to look at problems.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "network/load.h"
#include "network/plan.h"

namespace hawser {

inline void PrintTo(const Problem& problem, std::ostream* out) {
  *out << problem_to_string(problem, "net.toml");
}

}  // namespace hawser

namespace hawser::network_test {

// A private key for each number from 1, and its public key.
inline PrivateKey private_key(std::uint32_t number) {
  std::array<std::uint8_t, kKeyLen> bytes{};
  for (std::size_t i = 0; i < 4; ++i) bytes[8 + i] = static_cast<std::uint8_t>(number >> (8 * i));
  PrivateKey key(bytes);
  key.clamp();
  return key;
}
inline std::string public_key(std::uint32_t number) {
  return private_key(number).derive_public().to_base64();
}

inline std::string controller_text(const std::string& name, std::uint32_t key) {
  return "[controllers." + name + "]\npublic_key = \"" + public_key(key) +
         "\"\nendpoint = \"192.0.2." + std::to_string(key) + ":51820\"\n";
}
inline std::string peer_text(const std::string& name, std::uint32_t key,
                             const std::string& more = "") {
  return "[peers." + name + "]\npublic_key = \"" + public_key(key) + "\"\n" + more;
}
inline std::string member_text(const std::string& name, std::uint32_t key,
                               const std::string& mesh_ip, const std::string& more = "") {
  return "[members." + name + "]\npublic_key = \"" + public_key(key) + "\"\nendpoint = \"192.0.2." +
         std::to_string(key) + ":51820\"\n" +
         (mesh_ip.empty() ? "" : "mesh_ip = \"" + mesh_ip + "\"\n") + more;
}

inline const std::string kVpn = "[network]\nname = \"vpn\"\n";
inline const std::string kFullMesh =
    "[network]\nname = \"wg0\"\nplan = \"full-mesh\"\ncidr = \"10.42.0.0/24\"\n";
inline const std::string kNodeId = "[network]\nname = \"lab\"\nplan = \"node-id\"\n";

inline std::string all_text(const std::vector<Problem>& problems) {
  std::string text;
  for (const Problem& problem : problems) text += problem_to_string(problem, "net.toml") + '\n';
  return text;
}

inline std::vector<Problem> problems_of(const std::string& text, const CheckContext& context = {}) {
  return load_network(text, context).problems;
}

inline std::vector<Problem> errors_of(const std::vector<Problem>& problems) {
  std::vector<Problem> errors;
  for (const Problem& problem : problems) {
    if (problem.severity == Severity::kError) errors.push_back(problem);
  }
  return errors;
}

// The 1-based line of the first occurrence of `needle`.
inline unsigned line_with(const std::string& text, const std::string& needle) {
  const std::size_t at = text.find(needle);
  EXPECT_NE(at, std::string::npos) << needle;
  return 1 + static_cast<unsigned>(
                 std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n'));
}

inline Network good_network(const std::string& text) {
  LoadedNetwork loaded = load_network(text);
  EXPECT_TRUE(loaded.usable()) << all_text(loaded.problems);
  return std::move(loaded.network);
}

inline HostPlan good_plan(const Network& network, const std::string& host) {
  Result<HostPlan> plan = plan_host(network, host);
  EXPECT_TRUE(plan.ok()) << plan.error().message;
  return plan.ok() ? std::move(*plan) : HostPlan{};
}

// Whom a plan sends to, and from whom it takes, for one prefix.
inline std::vector<std::string> peer_names(const HostPlan& plan,
                                           const std::vector<std::uint32_t>& peers) {
  std::vector<std::string> names;
  for (const std::uint32_t index : peers) names.push_back(plan.peers[index].name);
  return names;
}
inline std::vector<std::string> route_to(const HostPlan& plan, const std::string& prefix) {
  for (const FailoverRoute& route : plan.failover_routes) {
    if (route.destination.to_string() == prefix) return peer_names(plan, route.peers);
  }
  return {};
}
inline std::vector<std::string> accept_from(const HostPlan& plan, const std::string& prefix) {
  for (const AcceptRule& rule : plan.accept_rules) {
    if (rule.source.to_string() == prefix) return peer_names(plan, rule.peers);
  }
  return {};
}

inline std::vector<std::string> strings(const std::vector<Prefix>& prefixes) {
  std::vector<std::string> texts;
  for (const Prefix& prefix : prefixes) texts.push_back(prefix.to_string());
  return texts;
}

inline std::string read_text(const std::string& path) {
  std::ifstream file(path);
  EXPECT_TRUE(file.good()) << path;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// One problem whose printed line holds all of `parts`.
MATCHER_P(Says, parts, "") {
  const std::string text = problem_to_string(arg, "net.toml");
  return std::all_of(parts.begin(), parts.end(),
                     [&](const std::string& part) { return text.find(part) != std::string::npos; });
}
inline auto says(std::vector<std::string> parts) { return Says(std::move(parts)); }

}  // namespace hawser::network_test
