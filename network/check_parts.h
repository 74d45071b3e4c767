#pragma once
// The parts of check_network(). Internal to network/.
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "network/check.h"
#include "network/network.h"
#include "network/problem.h"

namespace hawser::network_internal {

// Where the parts put what they find.
class CheckReport {
 public:
  explicit CheckReport(std::vector<Problem>& problems) : problems_(problems) {}

  void error(const NetworkHost& host, std::string_view key, std::string message,
             std::string remedy) {
    problems_.push_back({Severity::kError, host.line_of(key), host.path(key), std::move(message),
                         std::move(remedy)});
  }
  void warning(const NetworkHost& host, std::string_view key, std::string message,
               std::string remedy) {
    problems_.push_back({Severity::kWarning, host.line_of(key), host.path(key), std::move(message),
                         std::move(remedy)});
  }
  void add(Problem problem) { problems_.push_back(std::move(problem)); }

 private:
  std::vector<Problem>& problems_;
};

// "laptop1 (line 12)": how a message names the other one.
std::string host_and_line(const NetworkHost& host);
// Of two that clash, the one further down the file first: it gets the problem, which names both.
std::pair<const NetworkHost*, const NetworkHost*> later_and_earlier(const NetworkHost& a,
                                                                    const NetworkHost& b);

// Clashes within the address plan, addresses outside of the network, designated controllers.
void check_addresses(CheckReport& report, const Network& network);
// Allowed IPs beyond the address plan: whose they take, what they cover.
void check_claims(CheckReport& report, const Network& network);
// Exits: who offers and who takes which.
void check_exits(CheckReport& report, const Network& network);
// Endpoints: clashes, addresses that no packet can reach or that are this machine's.
void check_endpoints(CheckReport& report, const Network& network, const CheckContext& context);

}  // namespace hawser::network_internal
