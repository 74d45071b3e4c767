#pragma once
#include <string>
#include <string_view>

#include "base/result.h"
#include "tun/unique_fd.h"

namespace hawser {

// LogFile appends lines to a file. Whoever rotates logs may rename or remove it at any time,
// without telling us: the next line goes into a new file at the same path. (One that is cut off in
// place is fine as well.) One thread at a time.
class LogFile {
 public:
  // The file is made with mode 0640; symbolic links are not followed, and what is no regular file
  // is refused. Errors name the file and the remedy.
  static Result<LogFile> open(const std::string& path);

  // One write(2) each, so that lines of several processes do not mix. What cannot be written is
  // lost: there is nowhere else to say so. If a new file cannot be made, the old one goes on.
  void append(std::string_view line);

 private:
  LogFile(std::string path, UniqueFd fd) : path_(std::move(path)), fd_(std::move(fd)) {}
  bool is_still_there() const;

  std::string path_;
  UniqueFd fd_;
};

}  // namespace hawser
