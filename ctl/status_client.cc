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
constexpr std::string_view kDropPrefix = "drop.";
// A daemon that says nothing for so long has another problem than being busy.
constexpr timeval kAnswerTimeout{20, 0};

std::optional<std::int64_t> to_integer(std::string_view text) {
  std::int64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  if (text.empty() || parsed.ec != std::errc{} || parsed.ptr != end) return std::nullopt;
  return value;
}

std::string_view find(const std::vector<StatusLine>& lines, std::string_view key) {
  for (const auto& [name, value] : lines) {
    if (name == key) return value;
  }
  return {};
}

std::int64_t find_number(const std::vector<StatusLine>& lines, std::string_view key) {
  return to_integer(find(lines, key)).value_or(0);
}

std::string to_base64(std::string_view hex) {
  PublicKey key;
  return from_hex(key.bytes, hex) ? key.to_base64() : std::string(hex);
}

// "1,3 GiB" as `wg` words it.
std::string format_bytes(std::int64_t bytes) {
  constexpr std::array kUnits{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.2f} {}", value, kUnits[unit]);
}

std::string format_age(std::int64_t seconds) {
  if (seconds <= 0) return "now";
  struct Unit {
    std::int64_t seconds;
    const char* name;
  };
  constexpr std::array kUnits{Unit{86400, "day"}, Unit{3600, "hour"}, Unit{60, "minute"},
                              Unit{1, "second"}};
  std::string text;
  for (const Unit& unit : kUnits) {
    const std::int64_t count = seconds / unit.seconds;
    seconds %= unit.seconds;
    if (count == 0) continue;
    fmt::format_to(std::back_inserter(text), "{}{} {}{}", text.empty() ? "" : ", ", count,
                   unit.name, count == 1 ? "" : "s");
  }
  return text;
}

std::string format_drops(const std::vector<StatusLine>& lines) {
  std::string text;
  for (const auto& [key, value] : lines) {
    if (!key.starts_with(kDropPrefix)) continue;
    fmt::format_to(std::back_inserter(text), "{}{} {}", text.empty() ? "" : ", ",
                   key.substr(kDropPrefix.size()), value);
  }
  return text;
}

// Writes "  name: value" lines, leaving out what is empty.
class Sheet {
 public:
  explicit Sheet(std::string& out) : out_(out) {}
  void head(std::string_view name, std::string_view value) {
    fmt::format_to(std::back_inserter(out_), "{}{}: {}\n", out_.empty() ? "" : "\n", name, value);
  }
  void line(std::string_view name, std::string_view value) {
    if (!value.empty()) fmt::format_to(std::back_inserter(out_), "  {}: {}\n", name, value);
  }

 private:
  std::string& out_;
};

std::string with_reason(std::string_view what, std::string_view reason) {
  return reason.empty() ? std::string(what) : fmt::format("{} ({})", what, reason);
}

void format_device(Sheet& sheet, const std::vector<StatusLine>& device, std::int64_t now) {
  const auto text = [&](std::string_view key) { return find(device, key); };
  sheet.head("interface", text("interface"));
  sheet.line("public key",
             text("own_public_key").empty() ? "none" : to_base64(text("own_public_key")));
  sheet.line("listening port", text("listen_port"));
  if (text("fwmark") != "0") sheet.line("fwmark", text("fwmark"));
  sheet.line("state", fmt::format("{}{}{}", text("up") == "true" ? "up" : "down",
                                  text("tun") == "true" ? "" : ", no TUN device",
                                  text("under_load") == "true" ? ", under load" : ""));
  if (const std::int64_t started = find_number(device, "started_sec"); started > 0) {
    sheet.line("running for", format_age(std::max<std::int64_t>(1, now - started)));
  }
  sheet.line("forward", text("forward"));
  sheet.line("engine", with_reason(text("engine"), text("engine_reason")));
  sheet.line("AEAD", with_reason(text("aead"), text("aead_reason")));
  sheet.line("workers", text("workers"));
  sheet.line("MTU", text("mtu"));
  sheet.line("datagrams", fmt::format("{} received, {} sent", text("received_datagrams"),
                                      text("sent_datagrams")));
  sheet.line("packets", fmt::format("{} relayed, {} from TUN, {} to TUN", text("relayed_packets"),
                                    text("tun_read_packets"), text("tun_written_packets")));
  sheet.line("handshakes", fmt::format("{} completed, {} cookie replies sent",
                                       text("handshakes_completed"), text("cookie_replies_sent")));
  sheet.line("dropped", format_drops(device));
}

std::string join_allowed_ips(const std::vector<StatusLine>& peer) {
  std::string text;
  for (const auto& [key, value] : peer) {
    if (key == "allowed_ip") text += (text.empty() ? "" : ", ") + value;
  }
  return text.empty() ? "(none)" : text;
}

void format_peer(Sheet& sheet, const std::vector<StatusLine>& peer, std::int64_t now) {
  sheet.head("peer", to_base64(find(peer, "public_key")));
  sheet.line("endpoint", find(peer, "endpoint"));
  sheet.line("allowed ips", join_allowed_ips(peer));
  if (const std::int64_t last = find_number(peer, "last_handshake_time_sec"); last > 0) {
    const std::string age = format_age(now - last);
    sheet.line("latest handshake", age == "now" ? age : age + " ago");
  }
  sheet.line("session", find(peer, "has_session") == "true" ? "established" : "none");
  if (find(peer, "num_staged") != "0") sheet.line("staged packets", find(peer, "num_staged"));
  sheet.line("transfer",
             fmt::format("{} received, {} sent", format_bytes(find_number(peer, "rx_bytes")),
                         format_bytes(find_number(peer, "tx_bytes"))));
  if (const std::int64_t every = find_number(peer, "persistent_keepalive_interval"); every > 0) {
    sheet.line("persistent keepalive", "every " + format_age(every));
  }
  sheet.line("dropped", format_drops(peer));
}

nlohmann::json to_json(const std::string& key, const std::string& value) {
  if (key.ends_with("public_key")) return to_base64(value);
  if (value == "true" || value == "false") return value == "true";
  if (const auto number = to_integer(value)) return *number;
  return value;
}

nlohmann::json to_json(const std::vector<StatusLine>& lines) {
  nlohmann::json object = nlohmann::json::object();
  object["drops"] = nlohmann::json::object();
  for (const auto& [key, value] : lines) {
    if (key.starts_with(kDropPrefix)) {
      object["drops"][key.substr(kDropPrefix.size())] = to_json(key, value);
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

}  // namespace

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

Result<StatusAnswer> query_status(const std::string& directory, const std::string& interface) {
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
  const Result<std::string> text = exchange(fd->get(), "get=status\n\n");
  if (!text) {
    return Error{
        fmt::format("{}: {} (is it hawserd that serves it?)", interface, text.error().message),
        text.error().code};
  }
  Result<StatusAnswer> answer = parse_status(*text);
  if (!answer) return Error{interface + ": " + answer.error().message, answer.error().code};
  return answer;
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

std::string format_status(const StatusAnswer& answer, std::int64_t now) {
  std::string out;
  Sheet sheet(out);
  format_device(sheet, answer.device, now);
  for (const auto& peer : answer.peers) format_peer(sheet, peer, now);
  return out;
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
