// hawser-limit: what parts of a router cost on this machine by themselves. bench/limit runs it.
//
//   hawser-limit aead --size 1420
//   hawser-limit forward --port 51820                (in a network namespace of its own)
//   hawser-limit feed --namespace-a a --namespace-b b --forwarder-a 192.0.2.1:51820
//       --forwarder-b 198.51.100.1:51820 --size 1420 --pid PID
//   hawser-limit tun --namespace-a a --namespace-b b --interface tun0
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <iostream>
#include <string>

#include "bench/limit_tool/aead_timing.h"
#include "bench/limit_tool/bare_forwarder.h"
#include "bench/limit_tool/feeder.h"
#include "bench/limit_tool/tun_bridge.h"
#include "bench/load/process_meter.h"
#include "bench/load/udp_socket.h"
#include "noise/crypto_init.h"
#include "noise/messages.h"

namespace hawser::limit {
namespace {

using Json = nlohmann::ordered_json;

// As hawser-load: enough on their way that neither side waits for the other.
constexpr double kWindowBytes = 512 * 1024;
constexpr double kMaxWindowPackets = 1024;
constexpr std::size_t kMinSize = 64;
constexpr std::size_t kMaxSize = 1420;

struct Settings {
  std::size_t size = kMaxSize;  // of the inner packet
  double seconds = 1;
  std::uint16_t port = 51820;
  std::string namespace_a;
  std::string namespace_b;
  std::string forwarder_a;
  std::string forwarder_b;
  std::size_t window = 0;
  pid_t pid = 0;
  std::string interface = "tun0";

  std::int64_t duration_ns() const { return static_cast<std::int64_t>(seconds * 1e9); }
  // As all implementations pad it: to a multiple of 16, but not beyond the MTU.
  std::size_t padded() const {
    return std::min(kMaxSize, (size + kPaddingMultiple - 1) / kPaddingMultiple * kPaddingMultiple);
  }
};

int fail(const Error& error) {
  std::cerr << "hawser-limit: " << error.message << "\n";
  return EXIT_FAILURE;
}

int time_backends(const Settings& settings) {
  if (!init_crypto()) return fail({"the cryptographic libraries do not start", 0});
  Json backends = Json::object();
  for (const AeadKind kind : {AeadKind::kBoringSsl, AeadKind::kIpsecMb, AeadKind::kLanes}) {
    const auto times = time_aead(kind, settings.padded(), settings.duration_ns());
    if (!times) continue;
    backends[std::string(to_string(kind))] = {{"open_ns", times->open}, {"seal_ns", times->seal}};
  }
  std::cout << backends.dump(2) << "\n";
  return EXIT_SUCCESS;
}

double ratio(std::uint64_t a, std::uint64_t b) {
  return b == 0 ? 0 : static_cast<double>(a) / static_cast<double>(b);
}

Json to_json(const FeedResult& result, const Feed& how, const Settings& settings) {
  const double per_second =
      static_cast<double>(result.arrived) / (static_cast<double>(result.elapsed_ns) / 1e9);
  const auto cpu_ns = static_cast<std::uint64_t>(std::max<std::int64_t>(0, result.target_cpu_ns));
  return {{"window", how.window},
          {"packets_per_second", per_second},
          {"bits_per_second", per_second * static_cast<double>(settings.size) * 8},
          {"loss", result.arrived < result.sent ? 1 - ratio(result.arrived, result.sent) : 0},
          {"stalls", result.stalls},
          {"packets_per_arrival", ratio(result.arrived, result.reads)},
          {"target",
           {{"cpu_ns_per_packet", ratio(cpu_ns, result.arrived)},
            {"cpus", ratio(cpu_ns, static_cast<std::uint64_t>(result.elapsed_ns))},
            {"packets_per_receive", ratio(result.sent, result.target_udp.in)},
            {"packets_per_send", ratio(result.arrived, result.target_udp.out)},
            {"receive_buffer_errors", result.target_udp.receive_buffer_errors}}}};
}

int run_feed(const Settings& settings) {
  const Result<Endpoint> a = load::parse_endpoint(settings.forwarder_a);
  if (!a) return fail(a.error());
  const Result<Endpoint> b = load::parse_endpoint(settings.forwarder_b);
  if (!b) return fail(b.error());
  const Result<load::ProcessMeter> target = load::ProcessMeter::open(settings.pid);
  if (!target) return fail(target.error());
  Feed how{
      settings.namespace_a, settings.namespace_b,  *a, *b, settings.padded() + kTransportOverhead,
      settings.window,      settings.duration_ns()};
  if (how.window == 0) {
    const double fits = std::ceil(kWindowBytes / static_cast<double>(how.len));
    how.window = static_cast<std::size_t>(std::min(kMaxWindowPackets, fits));
  }
  const Result<FeedResult> result = feed(how, *target);
  if (!result) return fail(result.error());
  std::cout << to_json(*result, how, settings).dump(2) << "\n";
  return EXIT_SUCCESS;
}

void add_namespaces(CLI::App& app, Settings& settings) {
  app.add_option("--namespace-a", settings.namespace_a, "Network namespace of side A");
  app.add_option("--namespace-b", settings.namespace_b, "Network namespace of side B");
}

void add_measuring(CLI::App& app, Settings& settings) {
  app.add_option("--size", settings.size, "Length of the inner packets")
      ->check(CLI::Range(kMinSize, kMaxSize))
      ->capture_default_str();
  app.add_option("--duration", settings.seconds, "Seconds")
      ->check(CLI::Range(0.01, 3600.0))
      ->capture_default_str();
}

void add_feed(CLI::App& app, Settings& settings) {
  add_namespaces(app, settings);
  add_measuring(app, settings);
  app.add_option("--forwarder-a", settings.forwarder_a, "ADDRESS:PORT, seen from A")->required();
  app.add_option("--forwarder-b", settings.forwarder_b, "The same, seen from B")->required();
  app.add_option("--window", settings.window, "Packets on their way at most; 0: chosen from --size")
      ->capture_default_str();
  app.add_option("--pid", settings.pid, "The forwarder, for its processor time");
}

int run(int argc, char** argv) {
  CLI::App app("Measures what parts of a router cost on this machine by themselves.");
  app.require_subcommand(1);
  Settings settings;
  CLI::App& aead = *app.add_subcommand("aead", "Seal and open, each backend; prints JSON");
  add_measuring(aead, settings);
  CLI::App& forward = *app.add_subcommand("forward", "Pass UDP trains on, until killed");
  forward.add_option("--port", settings.port, "Where to listen")->capture_default_str();
  CLI::App& feeding = *app.add_subcommand("feed", "Measure that forwarder; prints JSON");
  add_feed(feeding, settings);
  CLI::App& tun = *app.add_subcommand("tun", "Join two TUN interfaces, until killed");
  add_namespaces(tun, settings);
  tun.add_option("--interface", settings.interface, "Name in both")->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  if (aead.parsed()) return time_backends(settings);
  if (forward.parsed()) return fail(run_bare_forwarder(settings.port));
  if (feeding.parsed()) return run_feed(settings);
  return fail(run_tun_bridge({settings.namespace_a, settings.interface},
                             {settings.namespace_b, settings.interface},
                             static_cast<std::uint32_t>(kMaxSize)));
}

}  // namespace
}  // namespace hawser::limit

int main(int argc, char** argv) { return hawser::limit::run(argc, argv); }
