#include "ctl/write_whole.h"

#include <unistd.h>

#include <cerrno>

namespace hawser {

int write_whole(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t put = ::write(fd, text.data(), text.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return errno;
    text.remove_prefix(static_cast<std::size_t>(put));
  }
  return 0;
}

int write_to_disk(int fd, std::string_view text) {
  const int error = write_whole(fd, text);
  if (error != 0) return error;
  return ::fsync(fd) == 0 ? 0 : errno;
}

}  // namespace hawser
