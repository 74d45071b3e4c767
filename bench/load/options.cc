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
  std::string controller;
  std::string first_source;
  std::string format = "setconf";
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

void add_crowd_peers(CLI::App& app, std::uint64_t& seed, std::size_t& peers) {
  app.add_option("--peers", peers, "How many")
      ->check(CLI::Range(std::size_t{1}, 2 * kMaxPairs))
      ->capture_default_str();
  app.add_option("--seed", seed, "What all keys follow from")->capture_default_str();
}

void add_crowd_config(CLI::App& app, CrowdConfigOptions& options, Texts& texts) {
  add_crowd_peers(app, options.seed, options.peers);
  app.add_option("--allowed-ips", options.allowed_ips, "Of each peer")->capture_default_str();
  app.add_option("--format", texts.format, "For wg setconf, or a set request")
      ->check(CLI::IsMember({"setconf", "uapi"}))
      ->capture_default_str();
  app.add_option("--listen-port", options.listen_port, "The controller's")->capture_default_str();
}

void add_crowd_place(CLI::App& app, SidePlace& place, Texts& texts) {
  app.add_option("--namespace", place.network_namespace, "Where the peers are");
  app.add_option("--controller", texts.controller, "ADDRESS:PORT of the controller")->required();
}

void add_crowd(CLI::App& app, CrowdOptions& options, Texts& texts) {
  add_crowd_peers(app, options.seed, options.peers);
  add_crowd_place(app, options.place, texts);
  app.add_option("--first-source", texts.first_source,
                 "Address of the first peer; the next ones follow");
  app.footer(
      "Each line 'connect SPREAD TIMEOUT' (seconds) on standard input lets every peer ask for a "
      "new "
      "session, first at a random time within SPREAD, and is answered with a line of JSON. Times "
      "in "
      "it are those of CLOCK_MONOTONIC.");
}

void add_respond(CLI::App& app, RespondOptions& options, Texts& texts) {
  add_crowd_peers(app, options.seed, options.peers);
  add_crowd_place(app, options.place, texts);
  app.add_option("--rounds", options.rounds, "Rounds that count; one before them does not")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--window", options.window, "Initiations unanswered at most")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  app.add_option("--pid", options.pid, "The process under test, for its processor time");
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

void complete(CrowdOptions& options, const Texts& texts) {
  options.place.controller = value_or_exit(parse_endpoint(texts.controller));
  if (texts.first_source.empty()) return;
  const std::optional<IpAddress> first = IpAddress::parse(texts.first_source);
  if (!first || first->family != options.place.controller.address.family) {
    std::cerr << "hawser-load: --first-source takes an address of the controller's family, not "
              << texts.first_source << "\n";
    std::exit(EXIT_FAILURE);
  }
  options.first_source = *first;
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
  CrowdConfigOptions crowd_config;
  CLI::App* const crowd_config_app =
      app.add_subcommand("crowd-config", "Print a controller's configuration with many peers");
  add_crowd_config(*crowd_config_app, crowd_config, texts);
  CrowdOptions crowd;
  CLI::App* const crowd_app = app.add_subcommand("crowd", "Many peers that connect");
  add_crowd(*crowd_app, crowd, texts);
  RespondOptions respond;
  CLI::App* const respond_app =
      app.add_subcommand("respond", "Measure how many initiations a second are answered");
  add_respond(*respond_app, respond, texts);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error));
  }
  if (config_app->parsed()) return config;
  if (crowd_config_app->parsed()) {
    if (texts.format == "uapi") crowd_config.format = ConfigFormat::kUapi;
    return crowd_config;
  }
  if (crowd_app->parsed()) {
    complete(crowd, texts);
    return crowd;
  }
  if (respond_app->parsed()) {
    respond.place.controller = value_or_exit(parse_endpoint(texts.controller));
    return respond;
  }
  complete(run, texts);
  return run;
}

}  // namespace hawser::load
