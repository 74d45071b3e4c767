#include "ctl/directory_check.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>

namespace hawser {

namespace {

Error refuse(const std::string& path, const char* option, const std::string& what) {
  return Error{fmt::format("the directory {} {}, or choose another with {}", path, what, option),
               EACCES};
}

// As many as the kernel follows.
constexpr int kMaxLinks = 40;

bool is_trusted(uid_t user) { return user == 0 || user == ::geteuid(); }

// Could somebody else put another link in the place of this one? In a sticky directory only who
// owns it can.
bool is_link_safe(const std::string& path, const struct stat& link) {
  struct stat parent {};
  if (!is_trusted(link.st_uid) || ::stat(parent_directory(path).c_str(), &parent) != 0)
    return false;
  const bool others_write = (parent.st_mode & (S_IWGRP | S_IWOTH)) != 0;
  return is_trusted(parent.st_uid) && (!others_write || (parent.st_mode & S_ISVTX) != 0);
}

// Where the last component leads: each link on the way has to be as safe as the directory.
Status check_links(std::string path, const char* option) {
  for (int i = 0; i < kMaxLinks; ++i) {
    while (path.size() > 1 && path.back() == '/') path.pop_back();
    struct stat info {};
    if (::lstat(path.c_str(), &info) != 0 || !S_ISLNK(info.st_mode)) return {};
    if (!is_link_safe(path, info)) {
      return refuse(path, option,
                    "is a symbolic link that others could change; remove it, or give the "
                    "directory that it leads to");
    }
    std::array<char, PATH_MAX> target{};
    const ssize_t len = ::readlink(path.c_str(), target.data(), target.size());
    if (len <= 0) return {};
    const std::string to(target.data(), static_cast<std::size_t>(len));
    path = to.front() == '/' ? to : fmt::format("{}/{}", parent_directory(path), to);
  }
  return {};
}

}  // namespace

std::string parent_directory(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, std::max<std::size_t>(slash, 1));
}

Status check_directory(const std::string& path, const char* option) {
  if (Status safe = check_links(path, option); !safe) return safe;
  struct stat info {};
  // Whoever uses it says what else is wrong with it.
  if (::stat(path.c_str(), &info) != 0) return {};
  if (!S_ISDIR(info.st_mode)) {
    return Error{fmt::format("{} is not a directory; choose another with {}", path, option),
                 ENOTDIR};
  }
  if (!is_trusted(info.st_uid)) {
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
