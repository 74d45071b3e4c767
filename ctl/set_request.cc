#include "ctl/set_request.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <array>
#include <charconv>
#include <iterator>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "base/hex.h"
#include "base/secret.h"
#include "ctl/cli_names.h"
#include "ctl/hidden_key.h"
#include "ctl/key_file.h"
#include "ctl/uapi_value.h"
#include "network/endpoint_name.h"
#include "network/nearest_name.h"

namespace hawser {

namespace {

// Room for one peer with everything set, and for an allowed IP: text with a key in it that grew
// would leave a copy behind.
constexpr std::size_t kPeerLen = 512;
constexpr std::size_t kAllowedIpLen = 64;

std::size_t room_for(const DeviceChange& change) {
  std::size_t len = kPeerLen;
  for (const PeerChange& peer : change.peers) {
    len += kPeerLen + kAllowedIpLen * peer.allowed_ips.size();
  }
  return len;
}

void append_secret(std::string& out, std::string_view name, std::span<const std::uint8_t> key) {
  const SecretText hex(to_hex(key));
  out.append(name).append("=").append(hex.view()).append("\n");
}

void append_peer(std::string& out, const PeerChange& peer) {
  const auto to = std::back_inserter(out);
  fmt::format_to(to, "public_key={}\n", to_hex(peer.public_key.bytes));
  if (peer.remove) out += "remove=true\n";
  if (peer.update_only) out += "update_only=true\n";
  if (peer.preshared_key) append_secret(out, "preshared_key", peer.preshared_key->bytes());
  if (peer.endpoint) fmt::format_to(to, "endpoint={}\n", peer.endpoint->to_string());
  if (peer.persistent_keepalive) {
    fmt::format_to(to, "persistent_keepalive_interval={}\n", *peer.persistent_keepalive);
  }
  if (peer.replace_allowed_ips) out += "replace_allowed_ips=true\n";
  for (const AllowedIpChange& item : peer.allowed_ips) {
    fmt::format_to(to, "allowed_ip={}{}\n", item.remove ? "-" : "", item.prefix.to_string());
  }
}

// "none": a file without anything in it, as wg(8) takes a key away.
bool is_empty_file(const std::string& path) {
  struct stat info {};
  return path == "/dev/null" ||
         (::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) && info.st_size == 0);
}

// Takes words off the front; the first thing that is wrong is kept.
class WordReader {
 public:
  explicit WordReader(std::span<const std::string> words) : rest_(words) {}

  Result<DeviceChange> read() {
    while (!rest_.empty() && error_.empty()) {
      const std::string word = take();
      if (word == "peer") {
        read_peer();
      } else {
        read_device(word);
      }
    }
    if (!error_.empty()) return Error{error_, EINVAL};
    return std::move(change_);
  }

 private:
  static constexpr std::array<std::string_view, 9> kWords{
      "listen-port",   "fwmark",   "private-key",          "peer",       "remove",
      "preshared-key", "endpoint", "persistent-keepalive", "allowed-ips"};

  std::string take() {
    std::string word = rest_.front();
    rest_ = rest_.subspan(1);
    return word;
  }
  std::string value_of(std::string_view word) {
    if (!rest_.empty()) return take();
    fail(fmt::format("{} needs a value", word));
    return {};
  }
  void fail(std::string why) {
    if (error_.empty()) error_ = std::move(why);
  }
  void unknown(const std::string& word) {
    fail(fmt::format("unknown word {}; {}", hide_key(word), suggest_name(word, kWords)));
  }

  void read_device(const std::string& word) {
    if (word == "listen-port") {
      const std::string text = value_of(word);
      const auto port = uapi::parse_number(text, std::numeric_limits<std::uint16_t>::max());
      if (!port)
        return fail(fmt::format("listen-port {}: a number from 0 to 65535", hide_key(text)));
      change_.listen_port = static_cast<std::uint16_t>(*port);
    } else if (word == "fwmark") {
      const std::string text = value_of(word);
      const auto mark = parse_mark(text);
      if (!mark) return fail(fmt::format("fwmark {}: a number, 0x…, or off", hide_key(text)));
      change_.fwmark = *mark;
    } else if (word == "private-key") {
      const std::string path = value_of(word);
      if (!error_.empty()) return;
      if (is_empty_file(path)) {
        change_.private_key.emplace();
        return;
      }
      Result<PrivateKey> key = read_private_key_file(path);
      if (!key) return fail(key.error().message);
      change_.private_key = std::move(*key);
    } else {
      unknown(word);
    }
  }

  void read_peer() {
    const std::string key = value_of("peer");
    const auto parsed = PublicKey::from_base64(key);
    if (!parsed)
      return fail(fmt::format("peer {}: a public key in base64 is wanted", hide_key(key)));
    PeerChange& peer = change_.peers.emplace_back();
    peer.public_key = *parsed;
    while (!rest_.empty() && rest_.front() != "peer" && error_.empty()) {
      read_peer_word(peer, take());
    }
  }

  void read_peer_word(PeerChange& peer, const std::string& word) {
    if (word == "remove") {
      peer.remove = true;
    } else if (word == "preshared-key") {
      read_preshared_key(peer, value_of(word));
    } else if (word == "endpoint") {
      read_endpoint(peer, value_of(word));
    } else if (word == "persistent-keepalive") {
      const std::string text = value_of(word);
      const auto seconds =
          uapi::parse_number(text == "off" ? "0" : text, std::numeric_limits<std::uint16_t>::max());
      if (!seconds)
        return fail(fmt::format("persistent-keepalive {}: seconds, or off", hide_key(text)));
      peer.persistent_keepalive = static_cast<std::uint16_t>(*seconds);
    } else if (word == "allowed-ips") {
      read_allowed_ips(peer, value_of(word));
    } else {
      unknown(word);
    }
  }

  void read_preshared_key(PeerChange& peer, const std::string& path) {
    if (!error_.empty()) return;
    if (is_empty_file(path)) {
      peer.preshared_key.emplace();
      return;
    }
    Result<PresharedKey> key = read_preshared_key_file(path);
    if (!key) return fail(key.error().message);
    peer.preshared_key = std::move(*key);
  }

  void read_endpoint(PeerChange& peer, const std::string& text) {
    std::string fault;
    const auto name = parse_endpoint_name(text, fault);
    if (!name) return fail(fmt::format("endpoint {}: {}", hide_key(text), fault));
    const auto address = name->address() ? name->address() : look_up_name(name->host);
    if (!address) return fail(fmt::format("endpoint {}: {} has no address", text, name->host));
    peer.endpoint.emplace();
    peer.endpoint->address = *address;
    peer.endpoint->port = name->port;
  }

  // As wg(8) has it: with a sign what is there is changed, without one it is replaced.
  void read_allowed_ips(PeerChange& peer, std::string_view list) {
    const bool is_signed = list.starts_with('+') || list.starts_with('-');
    if (!is_signed) peer.replace_allowed_ips = true;
    while (!list.empty() && error_.empty()) {
      const std::string_view item = list.substr(0, list.find(','));
      list.remove_prefix(std::min(item.size() + 1, list.size()));
      const bool has_sign = item.starts_with('+') || item.starts_with('-');
      const auto prefix = Prefix::parse(item.substr(has_sign ? 1 : 0));
      if (!prefix)
        return fail(fmt::format("allowed-ips {}: ADDRESS/LENGTH is wanted", hide_key(item)));
      if (has_sign != is_signed) {
        return fail(
            fmt::format("allowed-ips: {} beside others: + and - change what is there, a "
                        "list without them replaces it; one of the two",
                        item));
      }
      peer.allowed_ips.push_back({*prefix, item.starts_with('-')});
    }
  }

  std::span<const std::string> rest_;
  DeviceChange change_;
  std::string error_;
};

}  // namespace

SecretText::~SecretText() { wipe({reinterpret_cast<std::uint8_t*>(text_.data()), text_.size()}); }

SecretText make_set_request(const DeviceChange& change) {
  std::string out;
  out.reserve(room_for(change));
  out += "set=1\n";
  const auto to = std::back_inserter(out);
  if (change.private_key) append_secret(out, "private_key", change.private_key->bytes());
  if (change.listen_port) fmt::format_to(to, "listen_port={}\n", *change.listen_port);
  if (change.fwmark) fmt::format_to(to, "fwmark={}\n", *change.fwmark);
  if (change.replace_peers) out += "replace_peers=true\n";
  for (const PeerChange& peer : change.peers) append_peer(out, peer);
  out += '\n';
  return SecretText(std::move(out));
}

Result<DeviceChange> read_set_words(std::span<const std::string> words) {
  return WordReader(words).read();
}

}  // namespace hawser
