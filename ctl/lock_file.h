#pragma once
#include <sys/types.h>

#include <string>

#include "base/log_sink.h"
#include "base/result.h"
#include "base/time.h"
#include "tun/unique_fd.h"

namespace hawser {

// LockFile makes daemons take turns: flock(2) on a file of mode 0600, which only its owner and root
// can open. (A directory or a world-readable file can be locked by any user who may read it, for as
// long as that user likes.) The file has its holder's pid in it, and goes away with the lock.
class LockFile {
 public:
  // Waits for at most `wait`, and says through `log` (may be empty) for what and for whom, if it
  // has to wait at all. Symbolic links are not followed, and a file that others may open is
  // refused. Errors name the file and the holder: EWOULDBLOCK when the time is over.
  static Result<LockFile> take(const std::string& path, Duration wait, const LogSink& log);
  ~LockFile();
  LockFile(LockFile&&) noexcept = default;
  LockFile& operator=(LockFile&&) = delete;

 private:
  LockFile(UniqueFd fd, std::string path);

  UniqueFd fd_;
  std::string path_;
};

// "pid 812 (hawserd)"
std::string describe_process(pid_t pid);

}  // namespace hawser
