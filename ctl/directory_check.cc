#include "ctl/directory_check.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace hawser {

namespace {

Error refuse(const std::string& path, const char* option, const std::string& what) {
  return Error{fmt::format("the directory {} {}, or choose another with {}", path, what, option),
               EACCES};
}

}  // namespace

Status check_directory(const std::string& path, const char* option) {
  struct stat info {};
  // Whoever uses it says what else is wrong with it.
  if (::stat(path.c_str(), &info) != 0) return {};
  if (!S_ISDIR(info.st_mode)) {
    return Error{fmt::format("{} is not a directory; choose another with {}", path, option),
                 ENOTDIR};
  }
  if (info.st_uid != 0 && info.st_uid != ::geteuid()) {
    return refuse(
        path, option,
        fmt::format("belongs to user {}, who could change what is in it; run: chown {} {}",
                    info.st_uid, ::geteuid(), path));
  }
  if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return refuse(path, option,
                  fmt::format("has mode {:04o}, so others may write in it; run: chmod go-w {}",
                              info.st_mode & 07777, path));
  }
  return {};
}

}  // namespace hawser
