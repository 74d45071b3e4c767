// hawser-load: measures any WireGuard implementation as controller, from outside.
//
//   hawser-load config --pairs 1 > hub.conf
//   wg setconf wg0 hub.conf                      (and routes, see peer_plan.h)
//   hawser-load run --namespace-a a --namespace-b b --controller-a 192.0.2.1:51820
//       --controller-b 198.51.100.1:51820 --pid PID
//
// crowd-config, crowd and respond are bench/scale's: see crowd_commands.h.
#include <sys/prctl.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <iostream>

#include "bench/load/clock.h"
#include "bench/load/crowd_commands.h"
#include "bench/load/measurement.h"
#include "bench/load/options.h"
#include "bench/load/report.h"
#include "noise/aead_choice.h"
#include "noise/crypto_init.h"

namespace hawser::load {
namespace {

// Enough on their way that neither side waits for the other, and little enough that nobody's
// buffers overflow: wireguard-go hands relayed packets to a TUN queue of 500.
constexpr double kWindowBytes = 512 * 1024;
constexpr double kMaxWindowPackets = 1024;
constexpr std::array<double, 2> kLatencyLoads = {0.5, 0.8};

int fail(const Error& error) {
  std::cerr << "hawser-load: " << error.message << "\n";
  return EXIT_FAILURE;
}

int end_with(const Status& status) { return status ? EXIT_SUCCESS : fail(status.error()); }

std::uint32_t window_for(const RunOptions& options, const PacketPool& pool) {
  if (options.window > 0) return options.window;
  const double packets = std::min(kMaxWindowPackets, kWindowBytes / pool.mean_wire_len());
  return static_cast<std::uint32_t>(std::ceil(packets));
}

nlohmann::ordered_json describe(const RunOptions& options, const PacketPool& pool,
                                const Aead& aead) {
  return {{"pairs", options.pairs},
          {"family", options.shape.family == IpFamily::kV4 ? "v4" : "v6"},
          {"mean_inner_len", pool.mean_inner_len()},
          {"send", options.shape.singles ? "singles" : "trains"},
          {"mean_train", pool.mean_train()},
          {"window", options.rate > 0 ? 0 : window_for(options, pool)},
          {"rate", options.rate},
          {"pool_packets", pool.num_packets()},
          {"generator_aead", aead.name()}};
}

// Throughput first; the loads at which packets are timed are parts of it.
Status measure(const RunOptions& options, Measurement& measurement, const PacketPool& pool,
               nlohmann::ordered_json& report) {
  const auto duration = static_cast<std::int64_t>(options.seconds * 1e9);
  const bool has_target = options.pid != 0;
  const OfferedLoad load{options.rate, window_for(options, pool)};
  const Result<Tally> tally = measurement.run(load, duration);
  if (!tally) return tally.error();
  report["result"] = to_json(*tally, pool, has_target);
  std::cerr << to_text(report["result"]);
  if (!options.latency) return {};
  for (const double part : kLatencyLoads) {
    const Result<Tally> timed = measurement.run({part * tally->packets_per_second(), 0}, duration);
    if (!timed) return timed.error();
    nlohmann::ordered_json& at = report["at_load"][std::to_string(std::lround(part * 100))];
    at = to_json(*timed, pool, has_target);
    std::cerr << "at " << part * 100 << " % load: " << to_text(at);
  }
  return {};
}

int write_report(const RunOptions& options, const nlohmann::ordered_json& report) {
  if (options.json_path.empty()) return EXIT_SUCCESS;
  if (options.json_path == "-") {
    std::cout << report.dump(2) << "\n";
    return EXIT_SUCCESS;
  }
  std::ofstream file(options.json_path);
  file << report.dump(2) << "\n";
  file.close();
  return file ? EXIT_SUCCESS : fail(Error{"cannot write " + options.json_path, 0});
}

int run(const RunOptions& options) {
  // Sleeps end when they are due, not 50 µs later.
  ::prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
  std::string why;
  const std::optional<AeadTable> table =
      choose_aead(AeadKind::kAuto, why, [] { return Duration(monotonic_ns()); });
  if (!table) return fail(Error{why, 0});
  const std::unique_ptr<Aead> aead = make_aead(*table);
  const Result<ProcessMeter> target = ProcessMeter::open(options.pid);
  if (!target) return fail(target.error());
  Result<PeerGroup> peers =
      PeerGroup::open(PeerPlan(options.seed), options.pairs, options.a, options.b);
  if (!peers) return fail(peers.error());
  const Status connected = peers->connect(*aead);
  if (!connected) return fail(connected.error());
  std::cerr << "connected\n";

  PacketPool pool(options.shape, *peers);
  Measurement measurement(*peers, pool, *aead, *target);
  nlohmann::ordered_json report;
  report["setting"] = describe(options, pool, *aead);
  const Status measured = measure(options, measurement, pool, report);
  if (!measured) return fail(measured.error());
  report["handshakes"] = peers->handshakes();
  report["target_resident_kib"] = target->resident_kib();
  return write_report(options, report);
}

}  // namespace
}  // namespace hawser::load

int main(int argc, char** argv) {
  using namespace hawser::load;
  const Options options = parse_options(argc, argv);
  if (!hawser::init_crypto()) return fail({"the cryptographic libraries do not start", 0});
  if (const auto* config = std::get_if<ConfigOptions>(&options)) {
    std::cout << PeerPlan(config->seed).controller_config(config->pairs, config->listen_port);
    return EXIT_SUCCESS;
  }
  if (const auto* crowd_config = std::get_if<CrowdConfigOptions>(&options)) {
    print_crowd_config(*crowd_config);
    return EXIT_SUCCESS;
  }
  if (const auto* crowd = std::get_if<CrowdOptions>(&options)) return end_with(run_crowd(*crowd));
  if (const auto* respond = std::get_if<RespondOptions>(&options)) {
    return end_with(run_respond(*respond));
  }
  return run(std::get<RunOptions>(options));
}
