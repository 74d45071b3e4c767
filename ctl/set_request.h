#pragma once
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "dataplane/change.h"

namespace hawser {

// SecretText is text that may hold keys and wipes itself.
class SecretText {
 public:
  explicit SecretText(std::string text) : text_(std::move(text)) {}
  ~SecretText();
  SecretText(SecretText&&) = default;
  SecretText& operator=(SecretText&&) = delete;
  std::string_view view() const { return text_; }

 private:
  std::string text_;
};

// The whole request of the cross-platform UAPI for `change` (set=1 … an empty line), which
// ctl/uapi_request.h reads. The overlay has no words there and is left out. Pure.
SecretText make_set_request(const DeviceChange& change);

// What `hawser set INTERFACE` is told, in the words of `wg set`: listen-port N, fwmark N|off,
// private-key FILE, and peer KEY [remove] [preshared-key FILE] [endpoint HOST:PORT]
// [persistent-keepalive N|off] [allowed-ips LIST], any number of them. An allowed-ips list replaces
// what the peer has; where its items begin with + or -, they are added or removed. Keys come from
// files only (an empty one, /dev/null, removes the key). Reads those files and looks host names up.
// Errors name the word and what is wanted.
Result<DeviceChange> read_set_words(std::span<const std::string> words);

}  // namespace hawser
