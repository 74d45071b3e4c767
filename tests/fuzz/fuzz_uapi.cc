// The control socket's parser: whatever arrives, and however it is cut into pieces, it neither
// crashes nor depends on the pieces.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <string>
#include <string_view>

#include "ctl/uapi_request.h"
#include "tests/ctl/change_text.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t len) {
  using namespace hawser;
  if (len == 0) return 0;
  // The first byte says how the rest is cut.
  std::uint32_t state = data[0];
  const std::string_view text(reinterpret_cast<const char*>(data + 1), len - 1);
  const auto resolve_zone = [](std::string_view zone) -> std::uint32_t {
    return zone == "eth0" ? 7 : 0;
  };
  UapiLimits limits;
  limits.max_request_len = 4096;  // so that inputs of a fuzzer's size reach it
  limits.max_discarded_len = 16384;

  UapiParser whole(resolve_zone, limits);
  UapiParser pieces(resolve_zone, limits);
  const std::string expected =
      testing::parse_in_pieces(whole, text, [] { return std::numeric_limits<std::size_t>::max(); });
  const std::string found = testing::parse_in_pieces(pieces, text, [&state] {
    state = state * 1664525 + 1013904223;
    return std::size_t{1} + (state >> 24) % 80;
  });
  if (found != expected) std::abort();
  if (whole.in_request() != pieces.in_request()) std::abort();
  return 0;
}
