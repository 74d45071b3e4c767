#include <dirent.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdio>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "tun/udp_sockets.h"

namespace hawser {
namespace {

struct CloseDir {
  void operator()(DIR* dir) const { closedir(dir); }
};

std::vector<std::string> list_directory(const std::string& path) {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, CloseDir> dir(opendir(path.c_str()));
  if (dir == nullptr) return names;
  while (const dirent* const entry = readdir(dir.get())) names.emplace_back(entry->d_name);
  return names;
}

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// The inodes of the sockets bound to `port`. Columns of /proc/net/udp: slot, ADDRESS:PORT (hex),
// remote, state, queues, timer, retransmits, uid, timeout, inode.
void find_inodes(std::vector<std::string>& inodes, const char* path, std::uint16_t port) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);  // headings
  while (std::getline(file, line)) {
    std::istringstream columns(line);
    std::string local;
    std::string skipped;
    std::string inode;
    columns >> skipped >> local;
    for (int i = 0; i < 7; ++i) columns >> skipped;
    columns >> inode;
    const std::size_t colon = local.rfind(':');
    if (colon == std::string::npos || inode.empty()) continue;
    unsigned found = 0;
    std::from_chars(local.data() + colon + 1, local.data() + local.size(), found, 16);
    if (found == port) inodes.push_back("socket:[" + inode + "]");
  }
}

bool holds_any(const std::string& pid, const std::vector<std::string>& inodes) {
  const std::string directory = "/proc/" + pid + "/fd/";
  for (const std::string& fd : list_directory(directory)) {
    std::array<char, 64> target{};
    const ssize_t len = readlink((directory + fd).c_str(), target.data(), target.size());
    if (len <= 0) continue;
    const std::string_view link(target.data(), static_cast<std::size_t>(len));
    for (const std::string& inode : inodes) {
      if (link == inode) return true;
    }
  }
  return false;
}

}  // namespace

std::string find_port_holder(std::uint16_t port) {
  std::vector<std::string> inodes;
  // The thread's own network namespace, which need not be the process's.
  find_inodes(inodes, "/proc/thread-self/net/udp", port);
  find_inodes(inodes, "/proc/thread-self/net/udp6", port);
  if (inodes.empty()) return {};
  for (const std::string& pid : list_directory("/proc")) {
    if (!is_number(pid) || !holds_any(pid, inodes)) continue;
    std::string name;
    std::ifstream comm("/proc/" + pid + "/comm");
    std::getline(comm, name);
    std::string holder = "pid ";
    holder.append(pid).append(" (").append(name).append(")");
    return holder;
  }
  return {};
}

}  // namespace hawser
