#include "ctl/status_client.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>

#include "base/hex.h"
#include "ctl/cli_text.h"
#include "ctl/control_socket.h"
#include "ctl/interface_status.h"
#include "ctl/status_group.h"
#include "noise/keys.h"
#include "tun/system_clock.h"

namespace hawser {

namespace {

constexpr std::string_view kSuffix = ".sock";

nlohmann::json to_json(const std::string& key, const std::string& value) {
  if (key.ends_with("public_key")) return status_key_to_base64(value);
  // A host may be called 42, or true.
  constexpr std::array<std::string_view, 7> kTexts{"interface", "network", "host",         "name",
                                                   "role",      "exit",    "hosts_problem"};
  if (std::find(kTexts.begin(), kTexts.end(), key) != kTexts.end()) return value;
  if (value == "true" || value == "false") return value == "true";
  if (const auto number = status_integer(value)) return *number;
  return value;
}

nlohmann::json to_json(const std::vector<StatusLine>& lines) {
  nlohmann::json object = nlohmann::json::object();
  object["drops"] = nlohmann::json::object();
  for (const auto& [key, value] : lines) {
    if (key.starts_with(kStatusDropPrefix)) {
      object["drops"][key.substr(kStatusDropPrefix.size())] = to_json(key, value);
    } else if (key == "allowed_ip") {
      object["allowed_ips"].push_back(value);
    } else if (key == "missing") {
      object["missing"].push_back(value);
    } else if (key == "route") {
      const std::size_t space = value.find(' ');
      object["routes"].push_back({{"destination", value.substr(0, space)},
                                  {"via", space < value.size() ? value.substr(space + 1) : ""}});
    } else {
      object[key] = to_json(key, value);
    }
  }
  return object;
}

// Nothing of an answer is there yet, and will not be in time.
constexpr int kNoAnswer = ETIMEDOUT;

// False: the deadline came first.
bool wait_readable(int fd, Instant deadline) {
  while (true) {
    const Duration left = deadline - boot_now();
    if (left <= Duration::zero()) return false;
    pollfd wanted{fd, POLLIN, 0};
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
    const int ready = ::poll(&wanted, 1, static_cast<int>(ms));
    if (ready > 0 || (ready < 0 && errno != EINTR)) return true;
  }
}

Result<std::string> exchange(int fd, std::string_view request, Instant deadline) {
  if (::send(fd, request.data(), request.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(request.size())) {
    return Error{std::strerror(errno), errno};
  }
  std::string answer;
  std::array<char, 65536> piece{};
  while (!answer.ends_with("\n\n")) {
    if (!wait_readable(fd, deadline)) return Error{"no answer", kNoAnswer};
    const ssize_t got = ::recv(fd, piece.data(), piece.size(), MSG_DONTWAIT);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got < 0) return Error{std::strerror(errno), errno};
    if (got == 0) return Error{"the connection was closed without an answer", EPROTO};
    answer.append(piece.data(), static_cast<std::size_t>(got));
  }
  return answer;
}

// The state of a process in /proc/PID/stat: 'T' and 't' are stopped. '?': not known.
char process_state(pid_t pid) {
  std::string line;
  std::getline(std::ifstream(fmt::format("/proc/{}/stat", pid)), line);
  const std::size_t name_end = line.rfind(") ");
  return name_end == std::string::npos || name_end + 2 >= line.size() ? '?' : line[name_end + 2];
}

// Why the daemon behind a connected socket is silent, and what to do about it.
std::string silence_cause(int fd) {
  ucred holder{};  // whoever called listen(2)
  socklen_t len = sizeof holder;
  const bool known = ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &holder, &len) == 0;
  const char state = known && holder.pid > 0 ? process_state(holder.pid) : '?';
  if (state == 'T' || state == 't') {
    return fmt::format("the daemon (pid {}) is stopped; kill -CONT {}", holder.pid, holder.pid);
  }
  return "the daemon hangs, or the host is too busy to run it";
}

// Who may not use the control socket may perhaps ask for the status (ctl/status_group.h).
Result<UniqueFd> connect_for_status(const std::string& directory, const std::string& interface,
                                    Duration at_most) {
  Result<UniqueFd> fd = connect_control_socket(control_socket_path(directory, interface), at_most);
  if (fd || fd.error().code != EACCES) return fd;
  Result<UniqueFd> status =
      connect_control_socket(status_socket_path(directory, interface), at_most);
  // A queue that is full is an answer, too.
  if (status || status.error().code == kNoAnswer) return status;
  return Error{
      fd.error().message + fmt::format(", or, for the status, a member of group {}", kStatusGroup),
      EACCES};
}

Result<std::string> ask(const std::string& directory, const std::string& interface,
                        std::string_view request, Duration at_most, bool is_status = false) {
  const Instant deadline = boot_now() + at_most;
  const std::string path = control_socket_path(directory, interface);
  const Result<UniqueFd> fd = is_status ? connect_for_status(directory, interface, at_most)
                                        : connect_control_socket(path, at_most);
  if (!fd) {
    const int code = fd.error().code;
    if (code == kNoAnswer) {
      return Error{
          fmt::format("{}: nobody is let in within {}: the daemon hangs or is stopped, and "
                      "others wait for it already",
                      interface, format_span(at_most)),
          code};
    }
    return Error{fmt::format("{}: {}", interface,
                             code == ENOENT || code == ECONNREFUSED
                                 ? fmt::format("no daemon listens at {}", path)
                                 : fd.error().message),
                 code};
  }
  Result<std::string> text = exchange(fd->get(), request, deadline);
  if (text) return text;
  if (text.error().code == kNoAnswer) {
    return Error{fmt::format("{}: no answer within {}: {}", interface, format_span(at_most),
                             silence_cause(fd->get())),
                 kNoAnswer};
  }
  return Error{
      fmt::format("{}: {} (is it hawserd that serves it?)", interface, text.error().message),
      text.error().code};
}

}  // namespace

std::optional<std::int64_t> status_integer(std::string_view text) {
  std::int64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  if (text.empty() || parsed.ec != std::errc{} || parsed.ptr != end) return std::nullopt;
  return value;
}

std::string_view status_value(const std::vector<StatusLine>& lines, std::string_view key) {
  for (const auto& [name, value] : lines) {
    if (name == key) return value;
  }
  return {};
}

std::int64_t status_number(const std::vector<StatusLine>& lines, std::string_view key) {
  return status_integer(status_value(lines, key)).value_or(0);
}

std::string status_key_to_base64(std::string_view hex) {
  PublicKey key;
  return from_hex(key.bytes, hex) ? key.to_base64() : std::string(hex);
}

std::vector<std::string> list_interfaces(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator it(directory, error), end; !error && it != end;
       it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (name.size() > kSuffix.size() && name.ends_with(kSuffix)) {
      names.push_back(name.substr(0, name.size() - kSuffix.size()));
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

Result<std::string> choose_interface(const std::string& directory, const std::string& wanted,
                                     Duration at_most) {
  if (!wanted.empty()) return wanted;
  std::string names;
  std::vector<std::string> served;
  const Instant deadline = boot_now() + at_most;
  for (std::string& name : list_interfaces(directory)) {
    // What a killed daemon left behind does not count.
    const auto socket = connect_for_status(directory, name, deadline - boot_now());
    if (!socket && socket.error().code != kNoAnswer) continue;
    names += (names.empty() ? "" : ", ") + name;
    served.push_back(std::move(name));
  }
  if (served.size() == 1) return served.front();
  if (served.empty()) {
    return Error{fmt::format("no daemon listens in {}: start hawserd, become root, or say where "
                             "with --control-dir",
                             directory),
                 ENOENT};
  }
  return Error{fmt::format("{} are served here; say which of them is meant", names), EINVAL};
}

Result<std::string> interface_of_process(const std::string& directory, std::int32_t pid) {
  for (std::string& name : list_interfaces(directory)) {
    if (daemon_pid(directory, name) == pid) return std::move(name);
  }
  return Error{fmt::format("no daemon with process id {} listens in {}; say where with "
                           "--control-dir or HAWSER_CONTROL_DIR",
                           pid, directory),
               ENOENT};
}

Result<StatusAnswer> query_status(const std::string& directory, const std::string& interface,
                                  Duration at_most) {
  const Result<std::string> text =
      ask(directory, interface, "get=status\n\n", at_most, /*is_status=*/true);
  if (!text) return text.error();
  Result<StatusAnswer> answer = parse_status(*text);
  if (!answer) return Error{interface + ": " + answer.error().message, answer.error().code};
  return answer;
}

Status request_action(const std::string& directory, const std::string& interface,
                      std::string_view request, Duration awake_within) {
  // A request that is left in the queue of a stopped daemon would be done whenever it goes on.
  if (const auto awake = ask(directory, interface, "get=status\n\n", awake_within);
      !awake && awake.error().code == kNoAnswer) {
    return awake.error();
  }
  const Result<std::string> text =
      ask(directory, interface, std::string(request) + "\n", kActionTime);
  if (!text) return text.error();
  return parse_action_reply(*text);
}

Status request_set(const std::string& directory, const std::string& interface,
                   std::string_view request) {
  const Result<std::string> text = ask(directory, interface, request, kActionTime);
  if (!text) return text.error();
  const std::size_t at = text->find("errno=");
  if (at == std::string::npos) return Error{interface + ": the answer is cut off", EPROTO};
  const std::string_view value(*text);
  const auto code = status_integer(value.substr(at + 6, value.find('\n', at) - at - 6));
  if (code && *code == 0) return {};
  const int positive = static_cast<int>(std::abs(code.value_or(-EPROTO)));
  return Error{fmt::format("{}: nothing was changed: {}; the daemon's log says more", interface,
                           std::strerror(positive)),
               positive};
}

Status parse_action_reply(std::string_view text) {
  std::string message;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    constexpr std::string_view kMessage = "message=";
    constexpr std::string_view kErrno = "errno=";
    if (line.starts_with(kMessage)) {
      message.append(message.empty() ? "" : "\n").append(line.substr(kMessage.size()));
    } else if (line.starts_with(kErrno)) {
      const std::int64_t code = status_integer(line.substr(kErrno.size())).value_or(EPROTO);
      if (code == 0) return {};
      if (message.empty()) {
        message = fmt::format(
            "the daemon refuses it (errno {}): it is another implementation, or "
            "an older one",
            code);
      }
      return Error{std::move(message), static_cast<int>(code)};
    }
  }
  return Error{"the answer is cut off", EPROTO};
}

Result<StatusAnswer> parse_status(std::string_view text) {
  StatusAnswer answer;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.empty()) break;
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) return Error{"the answer has a line without '='", EPROTO};
    const std::string_view key = line.substr(0, equals);
    const std::string_view value = line.substr(equals + 1);
    if (key == "errno") {
      if (value == "0") return answer;
      return Error{fmt::format("the daemon does not give a status (errno {}): it is another "
                               "implementation; use wg show",
                               value),
                   EOPNOTSUPP};
    }
    if (key == "public_key") answer.peers.emplace_back();
    (answer.peers.empty() ? answer.device : answer.peers.back()).emplace_back(key, value);
  }
  return Error{"the answer is cut off", EPROTO};
}

std::string status_to_json(const std::vector<StatusAnswer>& answers) {
  nlohmann::json interfaces = nlohmann::json::array();
  for (const StatusAnswer& answer : answers) {
    nlohmann::json object = to_json(answer.device);
    if (!object.contains("routes")) object["routes"] = nlohmann::json::array();
    object["peers"] = nlohmann::json::array();
    for (const auto& peer : answer.peers) {
      nlohmann::json peer_object = to_json(peer);
      // One word for what the socket has in several.
      peer_object.erase("reachable");
      if (const std::string_view liveness = PeerStatus::read(peer).liveness(); !liveness.empty()) {
        peer_object["liveness"] = liveness;
      }
      if (!peer_object.contains("allowed_ips"))
        peer_object["allowed_ips"] = nlohmann::json::array();
      object["peers"].push_back(std::move(peer_object));
    }
    interfaces.push_back(std::move(object));
  }
  return nlohmann::json{{"schema_version", kStatusSchemaVersion},
                        {"interfaces", std::move(interfaces)}}
             .dump(2) +
         "\n";
}

}  // namespace hawser
