#pragma once
#include <fmt/format.h>

#include <string>
#include <string_view>

#include "base/hex.h"
#include "ctl/uapi_request.h"

namespace hawser::testing {

// A request as text, secrets and all, so that two can be compared.
inline std::string to_text(const UapiRequest& request) {
  std::string out = fmt::format("operation {}\n", static_cast<int>(request.operation));
  if (request.refusal) {
    out += fmt::format("refused {} {}\n", request.refusal->code, request.refusal->message);
  }
  const DeviceChange& change = request.change;
  if (change.private_key) out += "private " + to_hex(change.private_key->bytes()) + "\n";
  if (change.listen_port) out += fmt::format("port {}\n", *change.listen_port);
  if (change.fwmark) out += fmt::format("mark {}\n", *change.fwmark);
  if (change.replace_peers) out += "replace peers\n";
  for (const PeerChange& peer : change.peers) {
    out += "peer " + to_hex(peer.public_key.bytes) + "\n";
    if (peer.remove) out += " remove\n";
    if (peer.update_only) out += " update only\n";
    if (peer.preshared_key) out += " psk " + to_hex(peer.preshared_key->bytes()) + "\n";
    if (peer.endpoint) out += " endpoint " + peer.endpoint->to_string() + "\n";
    if (peer.persistent_keepalive) out += fmt::format(" alive {}\n", *peer.persistent_keepalive);
    if (peer.replace_allowed_ips) out += " replace ips\n";
    for (const AllowedIpChange& ip : peer.allowed_ips) {
      out += fmt::format(" ip {}{}\n", ip.remove ? "-" : "", ip.prefix.to_string());
    }
  }
  return out;
}

// Feeds all of `text` in pieces whose lengths `next_len` gives (at least 1), and returns all whole
// requests one after the other.
template <class NextLen>
std::string parse_in_pieces(UapiParser& parser, std::string_view text, NextLen next_len) {
  std::string out;
  while (!text.empty()) {
    std::string_view piece = text.substr(0, next_len());
    text.remove_prefix(piece.size());
    while (!piece.empty()) {
      piece.remove_prefix(parser.feed(piece));
      if (parser.complete()) out += to_text(parser.take());
    }
  }
  return out;
}

}  // namespace hawser::testing
