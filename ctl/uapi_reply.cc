#include "ctl/uapi_reply.h"

#include <fmt/format.h>

#include <iterator>
#include <span>
#include <utility>

#include "base/secret.h"

namespace hawser {

namespace {

// Longest that each of these can be in text, for the reservation.
constexpr std::size_t kMaxDeviceLen = 256;
constexpr std::size_t kMaxPeerLen = 512;
constexpr std::size_t kMaxAllowedIpLen = 64;

// Writes straight into the reserved text: to_hex() would leave a copy of a secret on the heap.
void append_key(std::string& out, std::string_view name, std::span<const std::uint8_t> key) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  out.append(name).push_back('=');
  for (const std::uint8_t byte : key) {
    out.push_back(kDigits[byte >> 4]);
    out.push_back(kDigits[byte & 0xf]);
  }
  out.push_back('\n');
}

void append_peer(std::string& out, const PeerView& peer) {
  append_key(out, "public_key", peer.public_key.bytes);
  append_key(out, "preshared_key", peer.preshared_key.bytes());
  out.append("protocol_version=1\n");
  if (peer.endpoint) out.append("endpoint=").append(peer.endpoint->to_string()).push_back('\n');
  fmt::format_to(std::back_inserter(out),
                 "last_handshake_time_sec={}\nlast_handshake_time_nsec={}\ntx_bytes={}\n"
                 "rx_bytes={}\npersistent_keepalive_interval={}\n",
                 peer.last_handshake.seconds, peer.last_handshake.nanoseconds, peer.tx_bytes,
                 peer.rx_bytes, peer.persistent_keepalive);
  for (const Prefix& prefix : peer.allowed_ips) {
    out.append("allowed_ip=").append(prefix.to_string()).push_back('\n');
  }
}

}  // namespace

ReplyText::~ReplyText() { clear(); }

ReplyText::ReplyText(ReplyText&& other) noexcept : text_(std::move(other.text_)) { other.clear(); }

ReplyText& ReplyText::operator=(ReplyText&& other) noexcept {
  if (this != &other) {
    clear();
    text_ = std::move(other.text_);
    other.clear();
  }
  return *this;
}

void ReplyText::clear() {
  // Also what a short string's move leaves behind in the object itself.
  text_.resize(text_.capacity());
  wipe({reinterpret_cast<std::uint8_t*>(text_.data()), text_.size()});
  text_.clear();
}

ReplyText make_get_reply(const DeviceView& view) {
  std::size_t len = kMaxDeviceLen + view.peers.size() * kMaxPeerLen;
  for (const PeerView& peer : view.peers) len += peer.allowed_ips.size() * kMaxAllowedIpLen;

  ReplyText reply;
  std::string& out = reply.text();
  out.reserve(len);
  if (!view.private_key.is_zero()) append_key(out, "private_key", view.private_key.bytes());
  if (view.listen_port != 0)
    fmt::format_to(std::back_inserter(out), "listen_port={}\n", view.listen_port);
  if (view.fwmark != 0) fmt::format_to(std::back_inserter(out), "fwmark={}\n", view.fwmark);
  for (const PeerView& peer : view.peers) append_peer(out, peer);
  out.append("errno=0\n\n");
  return reply;
}

ReplyText make_errno_reply(int code, bool is_set) {
  return ReplyText(fmt::format("errno={}\n\n", is_set ? -code : code));
}

ReplyText make_action_reply(const Status& done) {
  if (done) return make_errno_reply(0, false);
  std::string text;
  std::string_view rest = done.error().message;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    text.append("message=").append(line).append("\n");
  }
  const int code = done.error().code;
  text += make_errno_reply(code != 0 ? code : EIO, false).view();
  return ReplyText(std::move(text));
}

}  // namespace hawser
