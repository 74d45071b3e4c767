#pragma once
#include <string>
#include <vector>

#include "base/log_sink.h"
#include "base/result.h"
#include "network/plan.h"

namespace hawser {

// HostsFile keeps a network's host names in a hosts file, in a marked block of their own
// (ctl/hosts_block.h). What a killed daemon left behind is replaced by the next one.
//
// The file is replaced as a whole: a temporary file beside it with the same mode, owner and
// security label, fsync, rename(2), fsync of the directory. Whoever reads it, and whenever we are
// killed, there is either the old file or the new one. Where that cannot be (containers mount
// /etc/hosts itself: EBUSY; or its directory is read-only) it is rewritten in place from the first
// byte that differs on: the lines of others in front of the block are not touched, but a kill in
// the middle can cut the block, and the next start mends that. On a full disk a block is taken out
// in this way, too.
//
// Daemons of several networks take turns (a ctl/lock_file.h beside the file). Control thread.
class HostsFile {
 public:
  // `path` may be a symbolic link; then its target is what is replaced.
  HostsFile(std::string path, std::string network, LogSink log);
  // Takes the block out again if it was put in.
  ~HostsFile();
  HostsFile(const HostsFile&) = delete;
  HostsFile& operator=(const HostsFile&) = delete;

  // A file that is as wanted already is not written. A missing file is made; remove() takes it away
  // again if nobody else has written into it. Errors name the file and the remedy.
  Status write(const std::vector<PlanHostName>& hosts);
  Status remove();

 private:
  Error error(const char* what, int code) const;
  Error error(const char* what, const std::string& why, int code) const;
  template <class Edit>
  Status edit(Edit edit);

  std::string path_;
  std::string network_;
  LogSink log_;
  bool is_in_ = false;
  bool is_made_ = false;  // nobody else had anything in the file
};

}  // namespace hawser
