#include "ctl/uapi_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <limits>
#include <utility>

namespace hawser {

namespace {

constexpr std::string_view kKeyRemedy = "64 hexadecimal digits are wanted";
constexpr std::string_view kTrueRemedy = "only \"true\" is known";
constexpr std::string_view kPortRemedy = "a port, 0 to 65535, is wanted";

void wipe_text(std::string& text) {
  wipe({reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
  text.clear();
}

// A key as it may stand in a log line. What does not look like a key might be anything, a secret
// in the wrong place included.
std::string printable_key(std::string_view key) {
  constexpr std::size_t kMaxPrintedLen = 40;
  const bool plain = !key.empty() && key.size() <= kMaxPrintedLen &&
                     std::all_of(key.begin(), key.end(),
                                 [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; });
  return plain ? fmt::format("\"{}\"", key) : "that is not printed";
}

}  // namespace

UapiParser::UapiParser(ZoneResolver resolve_zone, UapiLimits limits)
    : resolve_zone_(std::move(resolve_zone)), limits_(limits) {
  partial_.reserve(limits_.max_line_len);
}

UapiParser::~UapiParser() { wipe_text(partial_); }

std::size_t UapiParser::feed(std::string_view bytes) {
  assert(!complete_);
  std::size_t used = 0;
  while (used < bytes.size() && !complete_) {
    const std::string_view rest = bytes.substr(used);
    const std::size_t newline = rest.find('\n');
    const bool whole = newline != std::string_view::npos;
    const std::string_view piece = rest.substr(0, newline);
    used += piece.size() + (whole ? 1 : 0);
    request_len_ += piece.size() + (whole ? 1 : 0);

    const bool too_long = partial_.size() + piece.size() > limits_.max_line_len;
    line_too_long_ = line_too_long_ || too_long;
    if (whole && partial_.empty()) {
      end_of_line(piece);
      continue;
    }
    // Enough of a line that is too long stays to tell it from an empty one.
    if (!too_long) partial_.append(piece);
    if (whole) {
      end_of_line(partial_);
      wipe_text(partial_);
    }
  }
  return used;
}

void UapiParser::end_of_line(std::string_view line) {
  ++line_number_;
  const bool too_long = line_too_long_;
  line_too_long_ = false;
  if (line.empty() && !too_long) {
    // A stray empty line between requests asks for nothing and is answered by nothing.
    if (have_operation_ || request_.refusal) {
      complete_ = true;
    } else {
      begin();
    }
    return;
  }
  if (request_.refusal) return;
  if (request_len_ > limits_.max_request_len) {
    refuse(EMSGSIZE, fmt::format("the request is longer than {} bytes; send it in several",
                                 limits_.max_request_len));
  } else if (too_long) {
    refuse(EINVAL, fmt::format("the line is longer than {} bytes", limits_.max_line_len));
  } else {
    handle_line(line);
  }
}

void UapiParser::handle_line(std::string_view line) {
  const std::size_t equals = line.find('=');
  if (equals == std::string_view::npos) {
    refuse(EPROTO, "there is no '='; every line is key=value, and an empty line ends the request");
    return;
  }
  const Line parsed{line.substr(0, equals), line.substr(equals + 1)};
  if (!have_operation_) {
    handle_operation(parsed);
  } else if (request_.operation == UapiOperation::kReload) {
    handle_reload_line(parsed);
  } else if (request_.operation != UapiOperation::kSet) {
    refuse(EINVAL, "this request takes no further lines; end it with an empty line");
  } else if (parsed.key == "public_key") {
    open_peer(parsed);
  } else if (in_peer_) {
    handle_peer_line(parsed);
  } else {
    handle_device_line(parsed);
  }
}

void UapiParser::handle_operation(const Line& line) {
  have_operation_ = true;
  if (line.key == "set" && line.value == "1") {
    request_.operation = UapiOperation::kSet;
  } else if (line.key == "get" && line.value == "1") {
    request_.operation = UapiOperation::kGet;
  } else if (line.key == "get" && line.value == "status") {
    request_.operation = UapiOperation::kStatus;
  } else if (line.key == "do" && line.value == "reload") {
    request_.operation = UapiOperation::kReload;
  } else if (line.key == "do" && line.value == "confirm") {
    request_.operation = UapiOperation::kConfirm;
  } else {
    // A refused set is answered with the sign of a set.
    if (line.key == "set") request_.operation = UapiOperation::kSet;
    refuse(EINVAL, "a request begins with get=1, set=1, get=status, do=reload or do=confirm");
  }
}

void UapiParser::handle_reload_line(const Line& line) {
  if (line.key != "confirm") {
    return refuse(EINVAL, fmt::format("the key {} is not one of a reload's; only confirm is",
                                      printable_key(line.key)));
  }
  const auto seconds = uapi::parse_number(line.value, std::numeric_limits<std::uint32_t>::max());
  if (!seconds) return refuse_value(line, "seconds are wanted");
  request_.confirm_seconds = static_cast<std::uint32_t>(*seconds);
}

void UapiParser::handle_device_line(const Line& line) {
  DeviceChange& change = request_.change;
  if (line.key == "private_key") {
    PrivateKey key;
    if (!uapi::parse_key(key.mutable_bytes(), line.value)) return refuse_value(line, kKeyRemedy);
    change.private_key = std::move(key);
  } else if (line.key == "listen_port") {
    const auto port = uapi::parse_number(line.value, std::numeric_limits<std::uint16_t>::max());
    if (!port) return refuse_value(line, kPortRemedy);
    change.listen_port = static_cast<std::uint16_t>(*port);
  } else if (line.key == "fwmark") {
    const auto mark = uapi::parse_number(line.value, std::numeric_limits<std::uint32_t>::max());
    if (!mark) return refuse_value(line, "a decimal number of 32 bits is wanted, 0 for none");
    change.fwmark = static_cast<std::uint32_t>(*mark);
  } else if (line.key == "replace_peers") {
    if (line.value != "true") return refuse_value(line, kTrueRemedy);
    change.replace_peers = true;
  } else {
    refuse(EINVAL, fmt::format("the key {} is not one of the device's; a peer's keys come after "
                               "its public_key",
                               printable_key(line.key)));
  }
}

void UapiParser::open_peer(const Line& line) {
  PublicKey key;
  if (!uapi::parse_key(key.bytes, line.value)) return refuse_value(line, kKeyRemedy);
  in_peer_ = true;
  request_.change.peers.emplace_back().public_key = key;
}

void UapiParser::handle_peer_line(const Line& line) {
  PeerChange& peer = request_.change.peers.back();
  if (line.key == "allowed_ip") {
    const auto allowed_ip = uapi::parse_allowed_ip(line.value);
    if (!allowed_ip) return refuse_value(line, "IP/length is wanted, or -IP/length to remove one");
    peer.allowed_ips.push_back(*allowed_ip);
  } else if (line.key == "endpoint") {
    const auto endpoint = uapi::parse_endpoint(line.value, resolve_zone_);
    if (!endpoint) {
      return refuse_value(line,
                          "IPv4:port or [IPv6]:port is wanted, with %interface for a link-local "
                          "address, no host name, and a port that is not 0");
    }
    peer.endpoint = *endpoint;
  } else if (line.key == "preshared_key") {
    PresharedKey key;
    if (!uapi::parse_key(key.mutable_bytes(), line.value)) return refuse_value(line, kKeyRemedy);
    peer.preshared_key = std::move(key);
  } else if (line.key == "persistent_keepalive_interval") {
    const auto interval = uapi::parse_number(line.value, std::numeric_limits<std::uint16_t>::max());
    if (!interval) return refuse_value(line, "seconds, 0 to 65535, are wanted, 0 for off");
    peer.persistent_keepalive = static_cast<std::uint16_t>(*interval);
  } else if (line.key == "replace_allowed_ips") {
    if (line.value != "true") return refuse_value(line, kTrueRemedy);
    // It takes away what lines before it gave, too: the change has it first.
    peer.replace_allowed_ips = true;
    peer.allowed_ips.clear();
  } else if (line.key == "remove") {
    if (line.value != "true") return refuse_value(line, kTrueRemedy);
    peer.remove = true;
  } else if (line.key == "update_only") {
    if (line.value != "true") return refuse_value(line, kTrueRemedy);
    peer.update_only = true;
  } else if (line.key == "protocol_version") {
    if (line.value != "1") return refuse_value(line, "only version 1 is known");
  } else {
    refuse(EINVAL, fmt::format("the key {} is not one of a peer's; the device's keys come before "
                               "the first public_key",
                               printable_key(line.key)));
  }
}

void UapiParser::refuse_value(const Line& line, std::string_view remedy) {
  refuse(EINVAL, fmt::format("the value of {} is not valid; {}", line.key, remedy));
}

void UapiParser::refuse(int code, std::string_view what) {
  request_.refusal = Error{fmt::format("request refused at line {}: {}", line_number_, what), code};
  request_.change = DeviceChange{};  // free now: the rest is skipped, however long
}

UapiRequest UapiParser::take() {
  assert(complete_);
  begin();
  return std::exchange(request_, UapiRequest{});
}

void UapiParser::begin() {
  line_number_ = 0;
  request_len_ = 0;
  have_operation_ = false;
  in_peer_ = false;
  complete_ = false;
}

}  // namespace hawser
