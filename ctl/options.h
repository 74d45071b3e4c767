#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dataplane/device.h"
#include "noise/aead.h"
#include "routing/ip_address.h"
#include "tun/kernel_engine.h"

namespace hawser {

// IPv4's smallest (RFC 791) and the largest that a TUN device takes.
inline constexpr std::uint64_t kMinMtu = 68;
inline constexpr std::uint64_t kMaxMtu = 65535;

enum class Verbosity : std::uint8_t { kSilent, kError, kInfo, kDebug };

// --network: the host's share of a network, as a file describes it. Paths are absolute.
struct NetworkOptions {
  std::string file;
  std::string host;
  std::string hosts_file;  // empty: none
  // What the command line says goes before the file.
  bool has_forward = false;
  std::optional<std::uint32_t> mtu;
  std::optional<std::uint16_t> listen_port;
};

// What hawserd was asked to do.
struct DaemonOptions {
  std::string interface;  // with --network perhaps empty: the file says
  bool foreground = false;
  ForwardMode forward = ForwardMode::kKernel;
  bool no_tun = false;               // `interface` then only names the control socket
  std::vector<IpAddress> addresses;  // --address
  EngineKind engine = EngineKind::kAuto;
  AeadKind aead = AeadKind::kAuto;
  std::size_t num_workers = 0;  // 0: one for each core that the process may use
  std::uint32_t mtu = kDefaultMtu;
  std::uint16_t listen_port = 0;  // 0: random
  std::uint32_t fwmark = 0;
  std::string private_key_file;  // absolute; empty: the key comes through the control socket
  std::optional<NetworkOptions> network;
  Verbosity verbosity = Verbosity::kInfo;
  std::string log_file;     // absolute; empty: stderr, or syslog in the background
  std::string state_dir;    // absolute
  std::string control_dir;  // absolute
  int tun_fd = -1;          // WG_TUN_FD
  int uapi_fd = -1;         // WG_UAPI_FD
  // What runs, but hardly as it was meant; to be logged.
  std::vector<std::string> warnings;
};

// Either options, or a text to print and an exit code: help and version (0, standard output), or
// one line that names what is wrong and the remedy (non-zero, standard error).
struct OptionsOutcome {
  std::optional<DaemonOptions> options;
  std::string text;
  int exit_code = 0;
};

// Reads the command line, and from the environment what it does not say: HAWSER_<NAME> for each
// option (--listen-port: HAWSER_LISTEN_PORT), as wg-quick cannot pass arguments; and, as
// wireguard-go has them, LOG_LEVEL, WG_TUN_FD, WG_UAPI_FD, WG_PROCESS_FOREGROUND=1. A wrong value
// is an error; a variable HAWSER_… that no option has is a warning, as is what has no effect.
OptionsOutcome parse_daemon_options(int argc, const char* const* argv);

}  // namespace hawser
