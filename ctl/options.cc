#include "ctl/options.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <string_view>
#include <utility>

#include "ctl/control_socket.h"
#include "ctl/status_report.h"
#include "ctl/version.h"
#include "network/nearest_name.h"
#include "network/network.h"
#include "tun/tun_device.h"

namespace hawser {

namespace {

constexpr int kUsageError = 2;
constexpr const char* kDefaultStateDir = "/var/lib/hawser";
constexpr const char* kDefaultHostsFile = "/etc/hosts";
constexpr const char* kNoHostsFile = "none";
constexpr std::string_view kEnvironmentPrefix = "HAWSER_";
// More threads than any host we know has cores for.
constexpr std::uint64_t kMaxWorkers = 1024;

// Everything as text: one place then checks the values and words what is wrong with them.
struct OptionTexts {
  std::string interface;
  bool foreground = false;
  bool no_tun = false;
  std::string forward;
  std::vector<std::string> addresses;
  std::string engine = "auto";
  std::string aead = "auto";
  std::string workers;
  std::string mtu;
  std::string listen_port;
  std::string fwmark;
  std::string private_key_file;
  std::string network;
  std::string host;
  std::string hosts_file;
  std::string log_level;
  std::string log_file;
  std::string state_dir = kDefaultStateDir;
  std::string control_dir = kDefaultControlDir;
};

std::string environment_name(std::string_view option) {
  std::string name(kEnvironmentPrefix);
  for (const char c : option) {
    name.push_back(c == '-' ? '_' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c));
  }
  return name;
}

void add_text(CLI::App& app, const char* name, std::string& text, const char* type,
              const char* help) {
  app.add_option(std::string("--") + name, text, help)
      ->type_name(type)
      ->envname(environment_name(name));
}

void declare_options(CLI::App& app, OptionTexts& texts) {
  app.set_help_flag("-h,--help", "Print this help and exit");
  app.set_version_flag("-V,--version", fmt::format("hawserd {}", kVersion));
  app.add_option("INTERFACE", texts.interface,
                 "Name of the TUN interface and of the control socket; with --network, the file "
                 "says it");
  app.add_flag("-f,--foreground", texts.foreground, "Stay in the foreground, log to stderr")
      ->envname("HAWSER_FOREGROUND");
  add_text(app, "forward", texts.forward, "kernel|direct|none",
           "Packets for other peers: to the host through TUN, to the peer within the process, or "
           "nowhere [kernel; direct with --no-tun and on a network's controllers]");
  app.add_flag("--no-tun", texts.no_tun,
               "Only forward: no TUN device, no privilege; INTERFACE is only a name")
      ->envname("HAWSER_NO_TUN");
  app.add_option("--address", texts.addresses,
                 "An own address in the network, answered by --no-tun; repeatable")
      ->type_name("ADDR[/LEN]")
      ->delimiter(',')
      ->allow_extra_args(false)  // the next word is not another address but INTERFACE
      ->envname("HAWSER_ADDRESS");
  add_text(app, "engine", texts.engine, "auto|io_uring|epoll", "How packets are moved [auto]");
  add_text(app, "workers", texts.workers, "N", "Packet threads [one for each usable core]");
  add_text(app, "mtu", texts.mtu, "BYTES", "MTU of the interface [1420, or what --network says]");
  add_text(app, "listen-port", texts.listen_port, "PORT",
           "UDP port, 0 for a random one [0, or what --network says]");
  add_text(app, "private-key-file", texts.private_key_file, "FILE",
           "Private key, as `wg genkey` writes it; mode 0600");
  add_text(app, "network", texts.network, "FILE",
           "Run this host's share of the network that FILE describes (hawser plan shows it)");
  add_text(app, "host", texts.host, "NAME", "Which of the network's hosts this one is");
  add_text(app, "hosts-file", texts.hosts_file, "PATH|none",
           "Where the network's host names go [/etc/hosts; none with --no-tun]");
  add_text(app, "fwmark", texts.fwmark, "MARK", "Mark of outgoing packets, 0 or off for none [0]");
  add_text(app, "aead", texts.aead, "auto|boringssl|ipsec-mb|lanes",
           "What computes ChaCha20-Poly1305 [auto]");
  add_text(app, "log-level", texts.log_level, "verbose|debug|info|error|silent",
           "How much is logged [info]");
  add_text(app, "log-file", texts.log_file, "PATH",
           "Log there instead; may be rotated at any time [stderr; syslog in the background]");
  add_text(app, "state-dir", texts.state_dir, "DIR", "What survives restarts [/var/lib/hawser]");
  add_text(app, "control-dir", texts.control_dir, "DIR",
           "Directory of the control socket [/var/run/wireguard]");
  app.footer(
      "Every option can be given in the environment, too: HAWSER_LISTEN_PORT=51820 for\n"
      "--listen-port. LOG_LEVEL, WG_TUN_FD, WG_UAPI_FD and WG_PROCESS_FOREGROUND=1 work as with\n"
      "other userspace implementations. Peers are configured with wg(8) and wg-quick(8):\n"
      "  WG_QUICK_USERSPACE_IMPLEMENTATION=hawserd wg-quick up wg0\n"
      "or all of it follows from one file that is the same on every host:\n"
      "  hawserd --network vpn.toml --host laptop1 --private-key-file laptop1.key");
}

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

// One line for arguments that nobody wanted.
std::string describe_extra_options(const CLI::App& app) {
  const std::vector<std::string> extras = app.remaining();
  const auto option = std::find_if(extras.begin(), extras.end(),
                                   [](const std::string& word) { return word.starts_with('-'); });
  if (option == extras.end()) {
    return fmt::format("unexpected argument \"{}\": one INTERFACE is wanted",
                       extras.empty() ? "" : extras.front());
  }
  const std::string name = option->substr(0, option->find('='));
  const std::vector<std::string> names = option_names(app);
  const std::vector<std::string_view> known(names.begin(), names.end());
  const std::string_view nearest = nearest_name(name, known);
  return nearest.empty() ? fmt::format("unknown option {}; see hawserd --help", name)
                         : fmt::format("unknown option {}; did you mean {}?", name, nearest);
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

// OptionChecker turns OptionTexts into DaemonOptions; the first thing that is wrong stays in
// error().
class OptionChecker {
 public:
  explicit OptionChecker(const OptionTexts& texts) : texts_(texts) {}

  DaemonOptions check();
  const std::string& error() const { return error_; }

 private:
  void fail(std::string_view option, std::string_view value, std::string_view wanted) {
    if (!error_.empty()) return;
    error_ =
        fmt::format("--{} \"{}\" (or {}): {}", option, value, environment_name(option), wanted);
  }
  void warn(DaemonOptions& out, std::string text) { out.warnings.push_back(std::move(text)); }
  void fail(std::string text) {
    if (error_.empty()) error_ = std::move(text);
  }

  std::uint64_t number(std::string_view option, std::string_view text, std::uint64_t min,
                       std::uint64_t max, std::uint64_t otherwise);
  template <class Value, std::size_t N>
  Value choice(std::string_view option, std::string_view text, const std::array<Value, N>& choices);
  void check_interface(DaemonOptions& out);
  void check_forward(DaemonOptions& out);
  void check_mtu(DaemonOptions& out);
  void check_addresses(DaemonOptions& out);
  void check_fwmark(DaemonOptions& out);
  void check_network(DaemonOptions& out);
  std::string absolute(const std::string& path);
  void check_log_level(DaemonOptions& out);
  void check_directories(DaemonOptions& out);
  int descriptor(const char* variable);

  const OptionTexts& texts_;
  std::string error_;
};

std::string_view environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? std::string_view() : std::string_view(value);
}

std::optional<std::uint64_t> to_number(std::string_view text, int base = 10) {
  std::uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value, base);
  if (text.empty() || parsed.ec != std::errc{} || parsed.ptr != end) return std::nullopt;
  return value;
}

std::uint64_t OptionChecker::number(std::string_view option, std::string_view text,
                                    std::uint64_t min, std::uint64_t max, std::uint64_t otherwise) {
  if (text.empty()) return otherwise;
  const auto value = to_number(text);
  if (value && *value >= min && *value <= max) return *value;
  fail(option, text, fmt::format("a number from {} to {} is wanted", min, max));
  return otherwise;
}

template <class Value, std::size_t N>
Value OptionChecker::choice(std::string_view option, std::string_view text,
                            const std::array<Value, N>& choices) {
  std::string names;
  for (const Value value : choices) {
    if (to_string(value) == text) return value;
    names += (names.empty() ? "" : ", ") + std::string(to_string(value));
  }
  fail(option, text, "one of " + names + " is wanted");
  return choices.front();
}

void OptionChecker::check_interface(DaemonOptions& out) {
  if (texts_.interface.empty()) {
    if (texts_.network.empty()) fail("no INTERFACE is given; see hawserd --help");
    return;
  }
  if (const Status valid = check_interface_name(texts_.interface); !valid) {
    return fail(valid.error().message);
  }
  out.interface = texts_.interface;
}

void OptionChecker::check_forward(DaemonOptions& out) {
  out.forward = out.no_tun ? ForwardMode::kDirect : ForwardMode::kKernel;
  if (texts_.forward.empty()) return;
  out.forward = choice("forward", texts_.forward,
                       std::array{ForwardMode::kKernel, ForwardMode::kDirect, ForwardMode::kNone});
  if (out.no_tun && out.forward == ForwardMode::kKernel) {
    fail("forward", texts_.forward, "without a TUN device only direct and none are possible");
  }
}

// With --network the addresses are known: load_network_plan() refuses it.
void OptionChecker::check_mtu(DaemonOptions& out) {
  if (!texts_.network.empty() || out.mtu >= kMinMtuV6) return;
  warn(out, fmt::format("--mtu {} is less than the {} that IPv6 needs: {} carries IPv4 only",
                        out.mtu, kMinMtuV6, out.interface));
}

void OptionChecker::check_addresses(DaemonOptions& out) {
  for (const std::string& text : texts_.addresses) {
    // A prefix would mask the host bits, and those are what is wanted.
    const std::size_t slash = text.find('/');
    const auto address = IpAddress::parse(std::string_view(text).substr(0, slash));
    bool valid = address.has_value();
    if (valid && slash != std::string::npos) {
      const auto length = to_number(std::string_view(text).substr(slash + 1));
      valid = length && *length <= address->bits();
    }
    if (!valid)
      return fail("address", text, "an IPv4 or IPv6 address, perhaps with /LEN, is wanted");
    out.addresses.push_back(*address);
  }
  if (!out.addresses.empty() && !out.no_tun) {
    warn(out, fmt::format("--address {} has no effect with a TUN device, whose addresses are the "
                          "host's: run ip address add, or use --no-tun",
                          out.addresses.front().to_string()));
  }
}

void OptionChecker::check_fwmark(DaemonOptions& out) {
  const std::string_view text = texts_.fwmark;
  if (text.empty() || text == "off") return;
  const bool hexadecimal = text.starts_with("0x") || text.starts_with("0X");
  const auto mark = hexadecimal ? to_number(text.substr(2), 16) : to_number(text);
  if (!mark || *mark > std::numeric_limits<std::uint32_t>::max()) {
    return fail("fwmark", text, "a number of 32 bits, decimal or 0x…, or off is wanted");
  }
  out.fwmark = static_cast<std::uint32_t>(*mark);
}

std::optional<Verbosity> to_verbosity(std::string_view text) {
  if (text == "silent") return Verbosity::kSilent;
  if (text == "error") return Verbosity::kError;
  if (text == "info") return Verbosity::kInfo;
  if (text == "debug" || text == "verbose") return Verbosity::kDebug;
  return std::nullopt;
}

void OptionChecker::check_log_level(DaemonOptions& out) {
  if (texts_.log_level.empty()) {
    // Other programs read LOG_LEVEL, too, and know other words: those are no reason not to start.
    const std::string_view given = environment("LOG_LEVEL");
    const auto verbosity = to_verbosity(given);
    out.verbosity = verbosity.value_or(Verbosity::kInfo);
    if (!verbosity && !given.empty()) {
      warn(out, fmt::format("LOG_LEVEL=\"{}\" is none of verbose, debug, info, error, silent; "
                            "info is used",
                            given));
    }
    return;
  }
  const auto verbosity = to_verbosity(texts_.log_level);
  if (!verbosity) {
    return fail("log-level", texts_.log_level,
                "one of verbose, debug, info, error, silent is wanted");
  }
  out.verbosity = *verbosity;
}

// In the background the working directory is "/".
std::string OptionChecker::absolute(const std::string& path) {
  if (path.empty()) return path;
  std::error_code error;
  std::string result = std::filesystem::absolute(path, error).string();
  if (error) fail("the working directory cannot be found: " + error.message());
  return result;
}

void OptionChecker::check_directories(DaemonOptions& out) {
  out.state_dir = absolute(texts_.state_dir);
  out.control_dir = absolute(texts_.control_dir);
  out.private_key_file = absolute(texts_.private_key_file);
  out.log_file = absolute(texts_.log_file);
}

void OptionChecker::check_network(DaemonOptions& out) {
  if (texts_.network.empty()) {
    if (!texts_.host.empty()) fail("--host says which host of a --network this is; give both");
    if (!texts_.hosts_file.empty()) fail("--hosts-file goes with --network FILE; give both");
    return;
  }
  if (texts_.host.empty()) return fail("--network needs --host NAME: which of its hosts this is");
  if (texts_.private_key_file.empty()) {
    return fail("--network needs --private-key-file FILE; make one with hawser keygen FILE");
  }
  NetworkOptions& network = out.network.emplace();
  network.file = absolute(texts_.network);
  network.host = texts_.host;
  const std::string otherwise = out.no_tun ? kNoHostsFile : kDefaultHostsFile;
  const std::string& hosts_file = texts_.hosts_file.empty() ? otherwise : texts_.hosts_file;
  if (hosts_file != kNoHostsFile) network.hosts_file = absolute(hosts_file);
  network.has_forward = !texts_.forward.empty();
  if (!texts_.mtu.empty()) network.mtu = out.mtu;
  if (!texts_.listen_port.empty()) network.listen_port = out.listen_port;
}

int OptionChecker::descriptor(const char* variable) {
  const std::string_view text = environment(variable);
  if (text.empty()) return -1;
  const auto number = to_number(text);
  if (number && *number <= std::numeric_limits<std::int32_t>::max()) {
    return static_cast<int>(*number);
  }
  fail(fmt::format("{}=\"{}\": the number of an open file descriptor is wanted", variable, text));
  return -1;
}

DaemonOptions OptionChecker::check() {
  DaemonOptions out;
  check_interface(out);
  out.foreground = texts_.foreground || environment("WG_PROCESS_FOREGROUND") == "1";
  out.no_tun = texts_.no_tun;
  check_forward(out);
  check_addresses(out);
  out.engine = choice("engine", texts_.engine,
                      std::array{EngineKind::kAuto, EngineKind::kIoUring, EngineKind::kEpoll});
  out.aead = choice(
      "aead", texts_.aead,
      std::array{AeadKind::kAuto, AeadKind::kBoringSsl, AeadKind::kIpsecMb, AeadKind::kLanes});
  out.num_workers = number("workers", texts_.workers, 1, kMaxWorkers, 0);
  out.mtu = static_cast<std::uint32_t>(number("mtu", texts_.mtu, kMinMtu, kMaxMtu, kDefaultMtu));
  check_mtu(out);
  out.listen_port = static_cast<std::uint16_t>(
      number("listen-port", texts_.listen_port, 0, std::numeric_limits<std::uint16_t>::max(), 0));
  check_fwmark(out);
  check_log_level(out);
  check_directories(out);
  check_network(out);
  out.tun_fd = descriptor("WG_TUN_FD");
  out.uapi_fd = descriptor("WG_UAPI_FD");
  return out;
}

// A typing mistake in a variable would go unnoticed: nobody reads it.
void warn_of_unknown_variables(const CLI::App& app, DaemonOptions& out) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_envname().empty()) names.push_back(option->get_envname());
  }
  const std::vector<std::string_view> known(names.begin(), names.end());
  for (const char* const* variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text = *variable;
    const std::string_view name = text.substr(0, text.find('='));
    if (!name.starts_with(kEnvironmentPrefix)) continue;
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    const std::string_view nearest = nearest_name(name, known);
    out.warnings.push_back(fmt::format(
        "the environment has {}, which no option reads{}", name,
        nearest.empty() ? "; see hawserd --help" : fmt::format("; did you mean {}?", nearest)));
  }
}

OptionsOutcome usage_error(const std::string& text) {
  return {std::nullopt, "hawserd: " + text + "\n", kUsageError};
}

}  // namespace

OptionsOutcome parse_daemon_options(int argc, const char* const* argv) {
  CLI::App app{"Hawser's WireGuard daemon", "hawserd"};
  OptionTexts texts;
  try {
    declare_options(app, texts);
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return {std::nullopt, app.help(), 0};
  } catch (const CLI::CallForVersion&) {
    return {std::nullopt, fmt::format("hawserd {}\n", kVersion), 0};
  } catch (const CLI::ExtrasError&) {
    return usage_error(describe_extra_options(app));
  } catch (const CLI::Error& error) {
    return usage_error(first_line(error.what()));
  }
  OptionChecker checker(texts);
  DaemonOptions options = checker.check();
  if (!checker.error().empty()) return usage_error(checker.error());
  warn_of_unknown_variables(app, options);
  return {std::move(options), "", 0};
}

}  // namespace hawser
