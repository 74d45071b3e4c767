#pragma once
#include <optional>
#include <string>

#include "base/log_sink.h"
#include "base/result.h"
#include "noise/timestamp_guard.h"

namespace hawser {

// TimestampFile keeps the reserved time stamps in a directory: one file for each identity,
// HEX-OF-PUBLIC-KEY.timestamp, mode 0600, "SECONDS NANOSECONDS" in it. Each write is atomic and
// durable (temporary file, fsync, rename, fsync of the directory). Where the directory cannot be
// written, one warning says so and the daemon goes on without. One thread at a time.
class TimestampFile : public TimestampStore {
 public:
  TimestampFile(std::string directory, LogSink log);

  // Makes the directory (0700) if it is not there. One that cannot be made or written is a warning,
  // one that others could write in an error (ctl/directory_check.h).
  Status prepare();

  std::optional<WallTime> load(const PublicKey& identity) override;
  bool reserve(const PublicKey& identity, const WallTime& until) override;
  void disbelieved(const PublicKey& identity) override;
  std::string where(const PublicKey& identity) const override { return path_of(identity); }

 private:
  std::string path_of(const PublicKey& identity) const;
  bool replace(const std::string& path, const std::string& text);
  void warn_once(const std::string& what);

  std::string directory_;
  LogSink log_;
  bool warned_ = false;
};

}  // namespace hawser
