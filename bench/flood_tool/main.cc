// hawser-flood: sends hostile traffic to a controller, at a steady rate. bench/flood runs it.
//
//   hawser-flood --namespace f --controller 203.0.113.1:51820 --kind bad-mac1 --rate 50000
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <sys/prctl.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <string>

#include "bench/flood_tool/flood.h"
#include "bench/flood_tool/hostile_packets.h"
#include "bench/flood_tool/insider.h"
#include "bench/load/peer_group.h"
#include "bench/load/udp_socket.h"
#include "noise/crypto_init.h"

namespace hawser::flood {
namespace {

// Enough that nothing downstream can learn them by heart.
constexpr std::size_t kNumPackets = 4096;
constexpr std::size_t kMaxInnerLen = 1420;

std::atomic<bool> stop_asked{false};

struct Settings {
  std::uint64_t seed = 1;
  std::size_t pair = 1;
  std::string network_namespace;
  std::string controller;
  std::uint16_t port = 0;
  std::string kind = "garbage";
  std::string spoofed_net = "10.200.0.0";
  double rate = 50000;
  double seconds = 10;
  std::size_t size = kMaxInnerLen;
};

int fail(const Error& error) {
  std::cerr << "hawser-flood: " << error.message << "\n";
  return EXIT_FAILURE;
}

void add_options(CLI::App& app, Settings& settings) {
  app.add_option("--controller", settings.controller, "ADDRESS:PORT of the controller, IPv4")
      ->required();
  app.add_option("--port", settings.port,
                 "Flood this port of the controller instead (a closed one, to compare)");
  app.add_option("--kind", settings.kind,
                 "garbage, bad-mac1, valid-mac1, spoofed, replay, unknown-index or bad-tag")
      ->capture_default_str();
  app.add_option("--rate", settings.rate, "Packets a second")
      ->check(CLI::Range(1.0, 1e7))
      ->capture_default_str();
  app.add_option("--duration", settings.seconds, "Seconds; SIGTERM ends it earlier")
      ->check(CLI::Range(0.01, 3600.0))
      ->capture_default_str();
  app.add_option("--size", settings.size, "Inner length of transport data")
      ->check(CLI::Range(std::size_t{0}, kMaxInnerLen))
      ->capture_default_str();
  app.add_option("--namespace", settings.network_namespace, "Where the flooder is");
  app.add_option("--spoofed-net", settings.spoofed_net,
                 "The /16 of spoofed sources; has to be local there")
      ->capture_default_str();
  app.add_option("--pair", settings.pair,
                 "Replays and bad tags are of peer A of this pair, counted from 0")
      ->check(CLI::Range(std::size_t{0}, load::kMaxPairs - 1))
      ->capture_default_str();
  app.add_option("--seed", settings.seed, "What all keys follow from")->capture_default_str();
}

int run(const Settings& settings) {
  const std::optional<Kind> kind = parse_kind(settings.kind);
  if (!kind) return fail({"no such kind: " + settings.kind + "; see --help", 0});
  const Result<Endpoint> controller = load::parse_endpoint(settings.controller);
  if (!controller) return fail(controller.error());
  const std::optional<IpAddress> spoofed = IpAddress::parse(settings.spoofed_net);
  if (controller->address.family != IpFamily::kV4 || !spoofed || spoofed->family != IpFamily::kV4) {
    return fail({"--controller and --spoofed-net take IPv4 addresses", 0});
  }
  load::KernelRandom random;
  const load::PeerPlan plan(settings.seed);
  Ingredients ingredients;
  ingredients.controller = plan.controller_key().derive_public();
  ingredients.data_len = settings.size + kTransportOverhead;
  if (needs_insider(*kind)) {
    const auto insider =
        connect_insider(plan, settings.pair, settings.network_namespace, *controller, random);
    if (!insider) return fail(insider.error());
    ingredients.initiation = (*insider)->initiation();
    ingredients.receiver_index = (*insider)->keypair()->remote_index;
  }
  FloodSettings how{settings.network_namespace,
                    *controller,
                    settings.rate,
                    static_cast<std::int64_t>(settings.seconds * 1e9),
                    {}};
  if (settings.port != 0) how.target.port = settings.port;
  if (*kind == Kind::kSpoofed) how.spoofed_net = *spoofed;
  const std::vector<Packet> packets = make_packets(*kind, kNumPackets, ingredients, random);
  std::cerr << "flooding\n";
  const Result<FloodResult> result = flood(how, packets, stop_asked, random);
  if (!result) return fail(result.error());
  const double seconds = static_cast<double>(result->elapsed_ns) / 1e9;
  std::cout << nlohmann::ordered_json{{"kind", settings.kind},
                                      {"sent", result->sent},
                                      {"skipped", result->skipped},
                                      {"seconds", seconds},
                                      {"packets_per_second",
                                       static_cast<double>(result->sent) / seconds}}
                   .dump()
            << "\n";
  return EXIT_SUCCESS;
}

}  // namespace
}  // namespace hawser::flood

int main(int argc, char** argv) {
  using namespace hawser::flood;
  CLI::App app("Sends hostile traffic to a WireGuard controller, at a steady rate.");
  Settings settings;
  add_options(app, settings);
  CLI11_PARSE(app, argc, argv);
  if (!hawser::init_crypto()) return fail({"the cryptographic libraries do not start", 0});
  // Sleeps end when they are due, not 50 µs later.
  ::prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
  std::signal(SIGTERM, [](int) { stop_asked = true; });
  std::signal(SIGINT, [](int) { stop_asked = true; });
  return run(settings);
}
