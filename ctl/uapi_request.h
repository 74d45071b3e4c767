#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "ctl/uapi_value.h"
#include "dataplane/change.h"

namespace hawser {

// Bounds of one request.
struct UapiLimits {
  // The longest line that anyone sends names a key: 78 bytes; an endpoint with a zone stays under
  // 80. The rest is room for what the protocol may yet bring.
  std::size_t max_line_len = 512;
  // 24,000 peers with everything set are 9 MB, a peer with 130,560 allowed IPs is 8 MB. The change
  // that 64 MiB of the shortest lines make takes at most about four times their length.
  std::size_t max_request_len = std::size_t{64} << 20;
  // A request that is refused already is read on to its end, without being kept, so that its sender
  // gets to read the answer; but not for ever.
  std::size_t max_discarded_len = std::size_t{1} << 30;
};

enum class UapiOperation : std::uint8_t {
  kGet,      // get=1
  kSet,      // set=1
  kStatus,   // get=status: ours, read-only; `wg` never asks it
  kReload,   // do=reload, perhaps with confirm=SECONDS: ours
  kConfirm,  // do=confirm: ours
};

// One whole request. When `refusal` is set, `change` is empty and the answer is its errno.
struct UapiRequest {
  UapiOperation operation = UapiOperation::kGet;
  DeviceChange change;                           // kSet
  std::optional<std::uint32_t> confirm_seconds;  // kReload
  // One line for the log: line number, key and remedy, never a value that may be secret. The code
  // is the errno to answer, positive here.
  std::optional<Error> refusal;
};

// UapiParser turns the bytes of a connection into requests of the cross-platform UAPI (the protocol
// of wg(8) with userspace implementations): an operation, key=value lines, an empty line. It parses
// line by line as they arrive, so it holds no more than one partial line and the change itself; a
// bad line drops the change, and the rest of that request is skipped. Pure; one thread's.
//
//   bytes.remove_prefix(parser.feed(bytes));
//   if (parser.complete()) answer(parser.take());
//
// Errors: EPROTO for a line without '=', EMSGSIZE beyond max_request_len, EINVAL for all else.
class UapiParser {
 public:
  explicit UapiParser(ZoneResolver resolve_zone = {}, UapiLimits limits = {});
  ~UapiParser();
  UapiParser(const UapiParser&) = delete;
  UapiParser& operator=(const UapiParser&) = delete;

  // Consumes until the end of a request, or all of `bytes`; returns how many bytes it took. Call
  // take() before the next feed() when complete().
  std::size_t feed(std::string_view bytes);
  bool complete() const { return complete_; }
  UapiRequest take();

  // Some of a request has arrived, but not its end.
  bool in_request() const { return request_len_ > 0 && !complete_; }
  // The sender goes on beyond max_discarded_len: close the connection.
  bool hopeless() const { return request_len_ > limits_.max_discarded_len; }

 private:
  struct Line {
    std::string_view key;
    std::string_view value;
  };

  void end_of_line(std::string_view line);
  void handle_line(std::string_view line);
  void handle_operation(const Line& line);
  void handle_device_line(const Line& line);
  void handle_peer_line(const Line& line);
  void handle_reload_line(const Line& line);
  void open_peer(const Line& line);
  void refuse(int code, std::string_view what);
  void refuse_value(const Line& line, std::string_view remedy);
  void begin();

  ZoneResolver resolve_zone_;
  UapiLimits limits_;

  std::string partial_;  // the begun line; wiped when done with, since it may hold a key
  bool line_too_long_ = false;
  std::size_t line_number_ = 0;
  std::size_t request_len_ = 0;
  bool have_operation_ = false;
  bool in_peer_ = false;
  bool complete_ = false;
  UapiRequest request_;
};

}  // namespace hawser
