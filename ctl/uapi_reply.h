#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "dataplane/view.h"

namespace hawser {

// ReplyText is text that may hold keys: it can be moved but not copied, and wipes itself. Writers
// reserve first, so that growing leaves no copy behind.
class ReplyText {
 public:
  ReplyText() = default;
  explicit ReplyText(std::string text) : text_(std::move(text)) {}
  ~ReplyText();
  ReplyText(ReplyText&& other) noexcept;
  ReplyText& operator=(ReplyText&& other) noexcept;
  ReplyText(const ReplyText&) = delete;
  ReplyText& operator=(const ReplyText&) = delete;

  std::string_view view() const { return text_; }
  std::string& text() { return text_; }

 private:
  void clear();
  std::string text_;
};

// The whole answer to get=1, in the order that CONFORMANCE gives: device keys (those that are zero
// are left out), each peer, errno=0 and the empty line.
ReplyText make_get_reply(const DeviceView& view);

// "errno=N" and the empty line. `code` is a positive errno or 0. `wg` negates what a set answers,
// so a set's refusal is written negative.
ReplyText make_errno_reply(int code, bool is_set);

// The answer to do=…: a message= line for each line of what was refused, then errno=N, positive.
ReplyText make_action_reply(const Status& done);

}  // namespace hawser
