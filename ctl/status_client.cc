#include "ctl/status_client.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <optional>

#include "base/hex.h"
#include "ctl/control_socket.h"
#include "noise/keys.h"

namespace hawser {

namespace {

constexpr std::string_view kSuffix = ".sock";
// A daemon that says nothing for so long has another problem than being busy.
constexpr timeval kAnswerTimeout{20, 0};

nlohmann::json to_json(const std::string& key, const std::string& value) {
  if (key.ends_with("public_key")) return status_key_to_base64(value);
  // A host may be called 42, or true.
  constexpr std::array<std::string_view, 5> kTexts{"interface", "network", "host", "name", "role"};
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

Result<std::string> exchange(int fd, std::string_view request) {
  if (::send(fd, request.data(), request.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(request.size())) {
    return Error{std::strerror(errno), errno};
  }
  std::string answer;
  std::array<char, 65536> piece{};
  while (!answer.ends_with("\n\n")) {
    const ssize_t got = ::recv(fd, piece.data(), piece.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      return Error{errno == EAGAIN ? "no answer" : std::strerror(errno), errno};
    }
    if (got == 0) return Error{"the connection was closed without an answer", EPROTO};
    answer.append(piece.data(), static_cast<std::size_t>(got));
  }
  return answer;
}

Result<std::string> ask(const std::string& directory, const std::string& interface,
                        std::string_view request) {
  const std::string path = control_socket_path(directory, interface);
  const Result<UniqueFd> fd = connect_control_socket(path);
  if (!fd) {
    const int code = fd.error().code;
    return Error{fmt::format("{}: {}", interface,
                             code == ENOENT || code == ECONNREFUSED
                                 ? fmt::format("no daemon listens at {}", path)
                                 : fd.error().message),
                 code};
  }
  ::setsockopt(fd->get(), SOL_SOCKET, SO_RCVTIMEO, &kAnswerTimeout, sizeof kAnswerTimeout);
  Result<std::string> text = exchange(fd->get(), request);
  if (!text) {
    return Error{
        fmt::format("{}: {} (is it hawserd that serves it?)", interface, text.error().message),
        text.error().code};
  }
  return text;
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

Result<std::string> choose_interface(const std::string& directory, const std::string& wanted) {
  if (!wanted.empty()) return wanted;
  std::string names;
  std::vector<std::string> served;
  for (std::string& name : list_interfaces(directory)) {
    // What a killed daemon left behind does not count.
    if (!connect_control_socket(control_socket_path(directory, name))) continue;
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

Result<StatusAnswer> query_status(const std::string& directory, const std::string& interface) {
  const Result<std::string> text = ask(directory, interface, "get=status\n\n");
  if (!text) return text.error();
  Result<StatusAnswer> answer = parse_status(*text);
  if (!answer) return Error{interface + ": " + answer.error().message, answer.error().code};
  return answer;
}

Status request_action(const std::string& directory, const std::string& interface,
                      std::string_view request) {
  const Result<std::string> text = ask(directory, interface, std::string(request) + "\n");
  if (!text) return text.error();
  return parse_action_reply(*text);
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
    object["peers"] = nlohmann::json::array();
    for (const auto& peer : answer.peers) {
      nlohmann::json peer_object = to_json(peer);
      if (!peer_object.contains("allowed_ips"))
        peer_object["allowed_ips"] = nlohmann::json::array();
      object["peers"].push_back(std::move(peer_object));
    }
    interfaces.push_back(std::move(object));
  }
  return nlohmann::json{{"interfaces", std::move(interfaces)}}.dump(2) + "\n";
}

}  // namespace hawser
