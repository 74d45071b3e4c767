#include "ctl/resolvconf.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>
#include <utility>

#include "ctl/child_process.h"
#include "routing/ip_address.h"
#include "tun/unique_fd.h"

namespace hawser {

namespace {

constexpr const char* kInterfaceOrder = "/etc/resolvconf/interface-order";

std::string own_record(const std::string& interface) {
  std::ifstream file(kInterfaceOrder);
  const std::string order{std::istreambuf_iterator<char>(file), {}};
  return resolvconf_record(interface, order);
}

// False: there is no such program.
Result<bool> run_resolvconf(std::vector<std::string> arguments, std::string input, bool stops) {
  ChildProgram program;
  program.stops = stops;
  program.argv = {"resolvconf"};
  program.argv.insert(program.argv.end(), arguments.begin(), arguments.end());
  program.input = std::move(input);
  const Result<int> status = run_program(program);
  if (!status && status.error().code == ENOENT) return false;
  if (!status) return status.error();
  if (*status == 0) return true;
  return Error{fmt::format("resolvconf {} failed", fmt::join(arguments, " ")), ECHILD};
}

std::string note_path(const DaemonPlace& place) {
  return fmt::format("{}/{}.dns", place.control_dir, place.interface);
}

Status note_name_servers(const DaemonPlace& place) {
  const std::string path = note_path(place);
  const UniqueFd note(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (note) return {};
  const int error = errno;
  return Error{fmt::format("{} cannot be made: {}", path, std::strerror(error)), error};
}

void forget_name_servers(const DaemonPlace& place) { ::unlink(note_path(place).c_str()); }

}  // namespace

std::string resolvconf_text(const std::vector<WgQuickSetting>& dns) {
  std::string servers;
  std::string domains;
  for (const WgQuickSetting& setting : dns) {
    std::string list = setting.value;
    std::replace(list.begin(), list.end(), ',', ' ');
    std::istringstream words(list);
    for (std::string word; words >> word;) {
      if (IpAddress::parse(word)) {
        servers += fmt::format("nameserver {}\n", word);
      } else {
        domains += " " + word;
      }
    }
  }
  return domains.empty() ? servers : fmt::format("{}search{}\n", servers, domains);
}

std::string resolvconf_record(const std::string& interface, const std::string& interface_order) {
  constexpr const char* kNameCharacters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-";
  std::istringstream lines(interface_order);
  for (std::string line; lines >> line;) {
    const std::size_t end = line.find_first_not_of(kNameCharacters);
    if (end != 0 && end != std::string::npos && line.substr(end) == "*") {
      return line.substr(0, end) + "." + interface;
    }
  }
  return interface;
}

Result<bool> set_name_servers(const DaemonPlace& place, const std::string& text) {
  if (text.empty()) return true;  // else it would read our standard input
  if (const Status noted = note_name_servers(place); !noted) return noted.error();
  Result<bool> done =
      run_resolvconf({"-a", own_record(place.interface), "-m", "0", "-x"}, text, true);
  if (done && !*done) forget_name_servers(place);
  return done;
}

bool has_name_servers(const DaemonPlace& place) {
  return ::access(note_path(place).c_str(), F_OK) == 0;
}

Status remove_name_servers(const DaemonPlace& place) {
  const Result<bool> done = run_resolvconf({"-d", own_record(place.interface), "-f"}, {}, false);
  if (!done) return done.error();
  forget_name_servers(place);
  return {};
}

}  // namespace hawser
