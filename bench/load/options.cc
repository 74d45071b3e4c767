#include "bench/load/options.h"

#include <CLI/CLI.hpp>

#include <cstdlib>
#include <iostream>

#include "bench/load/udp_socket.h"

namespace hawser::load {
namespace {

constexpr std::size_t kMaxTrain = 64;
constexpr std::size_t kMiB = std::size_t{1} << 20;

struct Texts {
  std::string controller_a;
  std::string controller_b;
  std::string sizes = "1420";
  std::string family = "v4";
  std::string send = "trains";
  std::size_t pool_mib = 96;
};

void add_common(CLI::App& app, std::uint64_t& seed, std::size_t& pairs) {
  app.add_option("--pairs", pairs, "Pairs of peers; traffic goes from A to B of each")
      ->check(CLI::Range(std::size_t{1}, kMaxPairs))
      ->capture_default_str();
  app.add_option("--seed", seed, "What all keys follow from")->capture_default_str();
}

void add_config(CLI::App& app, ConfigOptions& options) {
  add_common(app, options.seed, options.pairs);
  app.add_option("--listen-port", options.listen_port, "The controller's")->capture_default_str();
}

void add_places(CLI::App& app, RunOptions& options, Texts& texts) {
  app.add_option("--namespace-a", options.a.network_namespace, "Where the senders are");
  app.add_option("--namespace-b", options.b.network_namespace, "Where the receivers are");
  app.add_option("--controller-a", texts.controller_a,
                 "ADDRESS:PORT of the controller, seen from A")
      ->required();
  app.add_option("--controller-b", texts.controller_b, "The same, seen from B")->required();
  app.add_option("--pid", options.pid, "The process under test, for its processor time");
}

void add_load(CLI::App& app, RunOptions& options, Texts& texts) {
  app.add_option("--size", texts.sizes, "Length of the inner packets, 64 ... 1420, or imix")
      ->capture_default_str();
  app.add_option("--family", texts.family, "Of the inner packets")
      ->check(CLI::IsMember({"v4", "v6"}))
      ->capture_default_str();
  app.add_option("--send", texts.send, "GSO trains, or each packet with a send of its own")
      ->check(CLI::IsMember({"trains", "singles"}))
      ->capture_default_str();
  app.add_option("--train", options.shape.train_segments,
                 "Packets of one pair in a row; also the longest train")
      ->check(CLI::Range(std::size_t{1}, kMaxTrain))
      ->capture_default_str();
  app.add_option("--window", options.window, "Packets on their way at most; 0: chosen from --size")
      ->capture_default_str();
  app.add_option("--rate", options.rate, "Open loop: packets a second, instead of a window");
  app.add_option("--duration", options.seconds, "Seconds of measurement")
      ->check(CLI::Range(0.01, 3600.0))
      ->capture_default_str();
  app.add_option("--pool", texts.pool_mib, "MiB of packets sealed for one round")
      ->check(CLI::Range(std::size_t{1}, std::size_t{4096}))
      ->capture_default_str();
}

void add_run(CLI::App& app, RunOptions& options, Texts& texts) {
  options.shape.train_segments = kMaxTrain;
  options.seconds = 3;
  add_common(app, options.seed, options.pairs);
  add_places(app, options, texts);
  add_load(app, options, texts);
  app.add_flag("--latency", options.latency,
               "Then measure the time of packets at 50 % and 80 % of what was reached");
  app.add_option("--json", options.json_path, "Write the result here as JSON, - for stdout");
}

template <class T>
T value_or_exit(Result<T> result) {
  if (result) return std::move(*result);
  std::cerr << "hawser-load: " << result.error().message << "\n";
  std::exit(EXIT_FAILURE);
}

void complete(RunOptions& options, const Texts& texts) {
  options.a.controller = value_or_exit(parse_endpoint(texts.controller_a));
  options.b.controller = value_or_exit(parse_endpoint(texts.controller_b));
  options.shape.sizes = value_or_exit(PacketSizes::parse(texts.sizes));
  options.shape.family = texts.family == "v4" ? IpFamily::kV4 : IpFamily::kV6;
  options.shape.singles = texts.send == "singles";
  options.shape.memory = texts.pool_mib * kMiB;
}

}  // namespace

Options parse_options(int argc, char** argv) {
  CLI::App app(
      "Measures a WireGuard implementation as controller: relays packets through it from "
      "peers in one network namespace to peers in another.");
  app.require_subcommand(1);
  ConfigOptions config;
  RunOptions run;
  Texts texts;
  CLI::App* const config_app =
      app.add_subcommand("config", "Print the controller's configuration, for wg setconf");
  add_config(*config_app, config);
  CLI::App* const run_app = app.add_subcommand("run", "Measure");
  add_run(*run_app, run, texts);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error));
  }
  if (config_app->parsed()) return config;
  complete(run, texts);
  return run;
}

}  // namespace hawser::load
