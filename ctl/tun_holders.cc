#include "ctl/tun_holders.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string_view>

namespace hawser {

namespace {

std::string network_namespace_of(const std::string& process) {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/" + process + "/ns/net", error).string();
}

bool has_line(const std::string& path, std::string_view wanted) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line == wanted) return true;
  }
  return false;
}

// Of a TUN descriptor fdinfo has a line "iff:	NAME".
bool holds_tun(const std::string& pid, const std::string& interface) {
  const std::string wanted = "iff:\t" + interface;
  std::error_code error;
  for (std::filesystem::directory_iterator entry("/proc/" + pid + "/fdinfo", error), end;
       !error && entry != end; entry.increment(error)) {
    if (has_line(entry->path().string(), wanted)) return true;
  }
  return false;
}

}  // namespace

std::vector<pid_t> tun_holders(const std::string& interface) {
  std::vector<pid_t> found;
  std::error_code error;
  for (std::filesystem::directory_iterator entry("/proc", error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    if (holds_tun(name, interface)) found.push_back(std::stoi(name));
  }
  return found;
}

bool is_only_tun_holder(pid_t pid, const std::string& interface) {
  const std::vector<pid_t> holders = tun_holders(interface);
  const std::string own = network_namespace_of(std::to_string(pid));
  return std::find(holders.begin(), holders.end(), pid) != holders.end() &&
         std::none_of(holders.begin(), holders.end(), [&](pid_t other) {
           return other != pid && network_namespace_of(std::to_string(other)) == own;
         });
}

std::optional<bool> shares_network_namespace(pid_t pid) {
  const std::string its = network_namespace_of(std::to_string(pid));
  if (its.empty()) return std::nullopt;
  return its == network_namespace_of("self");
}

bool has_interface(pid_t pid, const std::string& interface) {
  std::ifstream devices(fmt::format("/proc/{}/net/dev", pid));
  for (std::string line; std::getline(devices, line);) {
    const std::size_t begin = line.find_first_not_of(' ');
    const std::size_t end = line.find(':');
    if (begin < end && line.substr(begin, end - begin) == interface) return true;
  }
  return false;
}

}  // namespace hawser
