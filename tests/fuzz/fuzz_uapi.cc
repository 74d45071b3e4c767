// The control socket's parser: whatever arrives, and however it is cut into pieces, it neither
// crashes nor depends on the pieces.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "ctl/uapi_request.h"
#include "tests/fuzz/option.h"
#include "tests/fuzz/require.h"

namespace hawser {
namespace {

// A line with a key has 78 bytes, a request with everything in it about 400; an input has room for
// one and what follows it, and can be longer than a request may be.
constexpr const char* kMaxLenOption = "-max_len=640";
constexpr UapiLimits kLimits{.max_line_len = 96, .max_request_len = 448, .max_discarded_len = 576};

template <class Key>
bool same_key(const std::optional<Key>& a, const std::optional<Key>& b) {
  return a.has_value() == b.has_value() &&
         (!a || std::equal(a->bytes().begin(), a->bytes().end(), b->bytes().begin()));
}

bool same_ip(const AllowedIpChange& a, const AllowedIpChange& b) {
  return a.prefix == b.prefix && a.remove == b.remove;
}

bool same_peer(const PeerChange& a, const PeerChange& b) {
  return a.public_key == b.public_key && a.remove == b.remove && a.update_only == b.update_only &&
         same_key(a.preshared_key, b.preshared_key) && a.endpoint == b.endpoint &&
         a.persistent_keepalive == b.persistent_keepalive &&
         a.replace_allowed_ips == b.replace_allowed_ips &&
         std::equal(a.allowed_ips.begin(), a.allowed_ips.end(), b.allowed_ips.begin(),
                    b.allowed_ips.end(), same_ip);
}

bool same_request(const UapiRequest& a, const UapiRequest& b) {
  if (a.operation != b.operation || a.refusal.has_value() != b.refusal.has_value()) return false;
  if (a.refusal && (a.refusal->code != b.refusal->code || a.refusal->message != b.refusal->message))
    return false;
  const DeviceChange& x = a.change;
  const DeviceChange& y = b.change;
  return a.confirm_seconds == b.confirm_seconds && same_key(x.private_key, y.private_key) &&
         x.listen_port == y.listen_port && x.fwmark == y.fwmark &&
         x.replace_peers == y.replace_peers &&
         std::equal(x.peers.begin(), x.peers.end(), y.peers.begin(), y.peers.end(), same_peer);
}

std::uint32_t resolve_zone(std::string_view zone) { return zone == "eth0" ? 7 : 0; }

// Feeds `text` in pieces whose lengths `next_len` gives, and shows each request that is whole.
template <class NextLen, class Visit>
void parse_in_pieces(UapiParser& parser, std::string_view text, NextLen next_len, Visit visit) {
  while (!text.empty()) {
    std::string_view piece = text.substr(0, next_len());
    text.remove_prefix(piece.size());
    while (!piece.empty()) {
      piece.remove_prefix(parser.feed(piece));
      if (parser.complete()) visit(parser.take());
    }
  }
}

}  // namespace
}  // namespace hawser

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  return hawser::testing::add_option(argc, argv, hawser::kMaxLenOption);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t len) {
  using namespace hawser;
  using testing::require;
  if (len == 0) return 0;
  // The first byte says how the rest is cut.
  std::uint32_t state = data[0];
  const std::string_view text(reinterpret_cast<const char*>(data + 1), len - 1);
  UapiParser whole(resolve_zone, kLimits);
  UapiParser pieces(resolve_zone, kLimits);
  std::vector<UapiRequest> expected;
  expected.reserve(8);
  parse_in_pieces(
      whole, text, [&] { return text.size(); },
      [&](UapiRequest request) { expected.push_back(std::move(request)); });
  std::size_t num = 0;
  parse_in_pieces(
      pieces, text,
      [&] {
        state = state * 1664525 + 1013904223;
        return std::size_t{1} + (state >> 24) % 80;
      },
      [&](const UapiRequest& request) {
        require(num < expected.size() && same_request(request, expected[num++]),
                "a request is the same however it is cut");
      });
  require(num == expected.size() && whole.in_request() == pieces.in_request(),
          "there are as many requests however they are cut");
  return 0;
}
