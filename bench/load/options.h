#pragma once
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <variant>

#include "bench/load/crowd_plan.h"
#include "bench/load/packet_pool.h"
#include "bench/load/peer_group.h"

namespace hawser::load {

// hawser-load config: print what the controller is to be configured with.
struct ConfigOptions {
  std::uint64_t seed = 1;
  std::size_t pairs = 1;
  std::uint16_t listen_port = 51820;
};

// hawser-load run: measure.
struct RunOptions {
  std::uint64_t seed = 1;
  std::size_t pairs = 1;
  SidePlace a;
  SidePlace b;
  PoolShape shape;
  std::uint32_t window = 0;  // packets; 0: chosen from the size
  double rate = 0;           // packets a second; 0: window mode
  double seconds = 0;
  bool latency = false;
  pid_t pid = 0;
  std::string json_path;  // "-": standard output, empty: none
};

// hawser-load crowd-config: the same for a crowd.
struct CrowdConfigOptions {
  std::uint64_t seed = 1;
  std::size_t peers = 10000;
  std::size_t allowed_ips = 1;
  ConfigFormat format = ConfigFormat::kSetconf;
  std::uint16_t listen_port = 51820;
};

// hawser-load crowd: connect a crowd whenever standard input says so.
struct CrowdOptions {
  std::uint64_t seed = 1;
  std::size_t peers = 10000;
  SidePlace place;
  IpAddress first_source;
};

// hawser-load respond: how many handshakes a second the controller answers.
struct RespondOptions {
  std::uint64_t seed = 1;
  std::size_t peers = 10000;
  SidePlace place;
  std::size_t rounds = 3;
  std::size_t window = 256;  // half of where a controller is under load
  pid_t pid = 0;
};

using Options =
    std::variant<ConfigOptions, RunOptions, CrowdConfigOptions, CrowdOptions, RespondOptions>;

// Reads the command line; prints help or what is wrong with it, and ends the program, by itself.
Options parse_options(int argc, char** argv);

}  // namespace hawser::load
