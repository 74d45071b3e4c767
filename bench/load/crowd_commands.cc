#include "bench/load/crowd_commands.h"

#include <nlohmann/json.hpp>

#include <iostream>
#include <sstream>
#include <string>

#include "bench/load/clock.h"
#include "bench/load/crowd.h"
#include "bench/load/process_meter.h"
#include "bench/load/responder_meter.h"
#include "noise/aead.h"

namespace hawser::load {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kHandshakeThread = "handshake";
constexpr double kNanos = 1e9;

Json to_json(const CrowdTally& tally, std::size_t num_peers) {
  Json json = {{"peers", num_peers},
               {"begun", static_cast<double>(tally.begun_at) / kNanos},
               {"connected", tally.connected_at.size()},
               {"initiations", tally.initiations},
               {"responses", tally.responses},
               {"cookie_replies", tally.cookie_replies}};
  // When that many percent of all peers, not of those that connected, had a session.
  for (const std::size_t percent : {1U, 50U, 95U, 99U, 100U}) {
    const std::size_t wanted = (num_peers * percent + 99) / 100;
    const bool reached = wanted > 0 && wanted <= tally.connected_at.size();
    json["at"][std::to_string(percent)] =
        reached ? Json(static_cast<double>(tally.connected_at[wanted - 1]) / kNanos) : Json();
  }
  return json;
}

}  // namespace

void print_crowd_config(const CrowdConfigOptions& options) {
  const CrowdPlan plan(options.seed, options.peers, options.allowed_ips);
  std::cout << plan.config(options.format, options.listen_port);
}

Status run_crowd(const CrowdOptions& options) {
  Result<Crowd> crowd =
      Crowd::open(PeerPlan(options.seed), options.peers, options.place, options.first_source);
  if (!crowd) return crowd.error();
  const std::unique_ptr<Aead> aead = make_aead(AeadKind::kBoringSsl);
  std::cout << Json{{"ready", crowd->size()}}.dump() << std::endl;
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream words(line);
    std::string verb;
    double spread = 0;
    double timeout = 0;
    if (!(words >> verb >> spread >> timeout) || verb != "connect" || spread < 0) {
      return Error{"not 'connect SPREAD TIMEOUT': " + line, 0};
    }
    const CrowdTally tally = crowd->connect(static_cast<std::int64_t>(spread * kNanos),
                                            static_cast<std::int64_t>(timeout * kNanos), *aead);
    std::cout << to_json(tally, crowd->size()).dump() << std::endl;
  }
  return {};
}

Status run_respond(const RespondOptions& options) {
  const Result<ProcessMeter> target = ProcessMeter::open(options.pid);
  if (!target) return target.error();
  Result<ResponderMeter> meter = ResponderMeter::open(PeerPlan(options.seed), options.peers,
                                                      options.rounds + 1, options.place);
  if (!meter) return meter.error();
  // The first meeting costs the controller one X25519 more (static-static); it is told apart.
  Json report;
  for (std::size_t round = 0; round < meter->num_rounds(); ++round) {
    const std::int64_t cpu = target->cpu_ns();
    const std::int64_t thread_cpu = target->cpu_ns(kHandshakeThread);
    const ResponderTally tally = meter->run(round, options.window);
    report["rounds"].push_back(
        {{"sent", tally.sent},
         {"responses", tally.responses},
         {"cookie_replies", tally.cookie_replies},
         {"seconds", static_cast<double>(tally.elapsed_ns) / kNanos},
         {"cpu_seconds", static_cast<double>(target->cpu_ns() - cpu) / kNanos},
         {"thread_cpu_seconds",
          static_cast<double>(target->cpu_ns(kHandshakeThread) - thread_cpu) / kNanos}});
  }
  std::cout << report.dump(2) << "\n";
  return {};
}

}  // namespace hawser::load
