#pragma once
#include <string>

#include "base/result.h"

namespace hawser {

// A directory that decides who may command the daemon, or what it remembers: it has to belong to
// root or to the daemon's user, and nobody else may write in it (its group neither: a member could
// put a socket or a file of their own in the place of ours). So has a symbolic link to it, where it
// lies: /var/run is fine, a link of a user's is not. One that is not there is fine.
// `option` ("--control-dir") is the remedy that the error names beside chown and chmod.
Status check_directory(const std::string& path, const char* option);

// Where the last component of a path lies: "." without a '/'.
std::string parent_directory(const std::string& path);

}  // namespace hawser
