#include "ctl/cli_probe.h"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <memory>
#include <optional>
#include <sstream>
#include <utility>

#include "base/wire.h"
#include "ctl/carrier_watch.h"
#include "ctl/cli_names.h"
#include "ctl/cli_text.h"
#include "ctl/echo_socket.h"
#include "ctl/interface_status.h"
#include "ctl/terminal.h"
#include "tun/system_clock.h"
#include "tun/system_random.h"

namespace hawser {

namespace {

constexpr const char* kHostsFile = "/etc/hosts";
// Nothing came back for so long, and for that many intervals: worth a line of its own.
constexpr Duration kSilence = std::chrono::seconds(1);
constexpr int kSilentIntervals = 3;

std::string read_text(const char* path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

EchoRun make_run() {
  std::array<std::uint8_t, 10> raw{};
  SystemRandom().fill(raw);
  return {load_be16(&raw[0]), load_be64(&raw[2])};
}

// One run, from the first probe to the last answer.
class ProbeRun {
 public:
  ProbeRun(const CliArguments& arguments, EchoSocket socket, const CarrierWatch* watch)
      : arguments_(arguments), socket_(std::move(socket)), watch_(watch), log_(arguments.timeout) {}

  void run() {
    start_ = boot_now();
    next_send_ = start_;
    // In a loop, the last probe is the last one before the end.
    const Instant end = is_loop() ? start_ + arguments_.duration : Instant::max();
    const std::uint64_t most =
        is_loop() ? std::numeric_limits<std::uint64_t>::max() : arguments_.count;
    while (!StopSignals::seen()) {
      const Instant now = boot_now();
      log_.expire(now);
      const bool sending = next_number_ <= most && next_send_ < end;
      if (!sending && log_.all_settled()) break;
      if (sending && now >= next_send_) send(now);
      note_silence(boot_now());
      wait(sending);
    }
  }

  const ProbeLog& log() const { return log_; }

 private:
  bool is_loop() const { return arguments_.command == CliCommand::kProbeLoop; }

  void say(Instant now, const std::string& what) const {
    if (!is_loop()) return;
    const double seconds = std::chrono::duration<double>(now - start_).count();
    fmt::print("{:8.1f} s  {}\n", seconds, what);
    std::fflush(stdout);
  }

  void send(Instant now) {
    const std::string carrier = watch_ == nullptr ? "" : watch_->carrier();
    if (carrier != carrier_) {
      say(now, carrier_.empty() ? "carried by " + carrier
                                : fmt::format("carried by {} instead of {}", carrier, carrier_));
      carrier_ = carrier;
    }
    const bool is_name = carrier != CarrierWatch::kNobody && carrier != CarrierWatch::kUnknown;
    log_.sent(next_number_, now, is_name ? carrier : "");
    if (const Status sent = socket_.send(next_number_); !sent) {
      log_.not_sent(next_number_, sent.error().message);
    }
    ++next_number_;
    next_send_ += arguments_.interval;
    // After a suspended host or a long stop: go on from here, without a burst.
    if (next_send_ < now) next_send_ = now + arguments_.interval;
  }

  void wait(bool sending) {
    Instant until = boot_now() + kSilence;
    if (sending) until = std::min(until, next_send_);
    if (const auto expiry = log_.next_expiry()) until = std::min(until, *expiry);
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - boot_now()).count();
    pollfd input{socket_.fd(), POLLIN, 0};
    ::poll(&input, 1, static_cast<int>(std::max<std::int64_t>(left, 0)));
    while (const std::optional<std::uint64_t> number = socket_.receive()) {
      const Instant now = boot_now();
      const Duration silence = log_.silence(now);
      if (log_.received(*number, now) == ProbeLog::Arrival::kFirst && is_silent_) {
        is_silent_ = false;
        say(now, fmt::format("answers again after {}", format_span(silence)));
      }
    }
  }

  void note_silence(Instant now) {
    if (is_silent_) return;
    const Duration silence = log_.silence(now);
    if (silence < kSilence || silence < kSilentIntervals * arguments_.interval) return;
    is_silent_ = true;
    say(now, fmt::format("no answer for {}", format_span(silence)));
  }

  const CliArguments& arguments_;
  EchoSocket socket_;
  const CarrierWatch* watch_;  // null: no daemon
  ProbeLog log_;
  Instant start_{};
  Instant next_send_{};
  std::uint64_t next_number_ = 1;
  std::string carrier_;
  bool is_silent_ = false;
};

Result<IpAddress> find_target(const CliArguments& arguments,
                              const Result<InterfaceStatus>& status) {
  if (!arguments.network_file.empty()) {
    return find_address_in_network(arguments.to, arguments.network_file);
  }
  const std::string hosts = read_text(kHostsFile);
  return find_address(arguments.to, {status ? &*status : nullptr, hosts, look_up_name});
}

int fail(const std::string& why) {
  fmt::print(stderr, "hawser: {}\n", why);
  return EXIT_FAILURE;
}

void announce(const CliArguments& arguments, const IpAddress& to, const std::string& interface) {
  const std::string through = interface.empty() ? "" : " through " + interface;
  const std::string name = arguments.to == to.to_string()
                               ? arguments.to
                               : fmt::format("{} ({})", arguments.to, to.to_string());
  if (arguments.command == CliCommand::kProbeLoop) {
    fmt::print("probing {}{} every {} for {}\n", name, through, format_span(arguments.interval),
               format_span(arguments.duration));
  } else {
    fmt::print("probing {}{}: {} probes\n", name, through, arguments.count);
  }
  std::fflush(stdout);
}

}  // namespace

ProbeVerdict judge_probes(const CliArguments& arguments, const ProbeLog& log,
                          bool was_interrupted) {
  ProbeVerdict verdict;
  verdict.text = fmt::format("sent {}, received {}, lost {}", log.num_sent(), log.num_received(),
                             log.num_sent() - log.num_received());
  if (log.num_received() > 0) {
    verdict.text += ", longest gap " + format_span(log.longest_gap());
  }
  if (log.num_late() > 0) verdict.text += fmt::format(", late {}", log.num_late());
  if (log.num_duplicates() > 0) {
    verdict.text += fmt::format(", duplicates {}", log.num_duplicates());
  }
  if (!log.carriers().empty()) {
    verdict.text += fmt::format(", carried by {}", fmt::join(log.carriers(), ", "));
  }
  verdict.text += "\n";
  if (log.num_received() > 0) {
    verdict.text += fmt::format("round trip, least / mean / most: {}\n", log.round_trips());
  }
  if (log.num_lost() > 0) verdict.text += fmt::format("lost: {}\n", log.lost_numbers());
  if (!log.last_error().empty()) {
    verdict.text += fmt::format("some could not be sent: {}\n", log.last_error());
  }
  if (arguments.command == CliCommand::kProbeGolden) {
    verdict.success = !was_interrupted && log.all_came_back();
    verdict.text += verdict.success   ? "golden: all came back\n"
                    : was_interrupted ? "golden: FAILED, it was interrupted\n"
                                      : "golden: FAILED, not all came back\n";
    return verdict;
  }
  const bool in_time = !arguments.max_gap || log.longest_gap() <= *arguments.max_gap;
  if (!in_time) {
    verdict.text +=
        fmt::format("loop: FAILED, the gap is longer than {}\n", format_span(*arguments.max_gap));
  }
  verdict.success = log.num_received() > 0 && in_time;
  return verdict;
}

int run_probe(const CliArguments& arguments) {
  // Without a daemon, names and addresses may still be known: stock WireGuard can be probed, too.
  const Result<InterfaceStatus> status =
      query_interface(arguments.control_dir, arguments.interface);
  if (status && !status->tun) {
    return fail(
        fmt::format("{} has no TUN device (--no-tun): nothing can be sent from here; probe "
                    "from another host of the network",
                    status->interface));
  }
  const Result<IpAddress> to = find_target(arguments, status);
  if (!to) return fail(to.error().message + (status ? "" : "; also, " + status.error().message));
  const std::string interface = status ? status->interface : arguments.interface;
  Result<EchoSocket> socket = EchoSocket::open(*to, interface, make_run());
  if (!socket) return fail(socket.error().message);

  const StopSignals signals;
  std::unique_ptr<CarrierWatch> watch;
  if (status) {
    watch = std::make_unique<CarrierWatch>(
        *to, *status, [&] { return query_interface(arguments.control_dir, arguments.interface); });
  }
  announce(arguments, *to, interface);
  ProbeRun run(arguments, std::move(*socket), watch.get());
  run.run();
  const ProbeVerdict verdict = judge_probes(arguments, run.log(), StopSignals::seen());
  fmt::print("{}", verdict.text);
  return verdict.success ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace hawser
