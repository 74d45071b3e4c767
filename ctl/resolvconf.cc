#include "ctl/resolvconf.h"

#include <fmt/format.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <sstream>
#include <utility>

#include "ctl/child_process.h"
#include "routing/ip_address.h"

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

Result<bool> set_name_servers(const std::string& interface, const std::string& text) {
  if (text.empty()) return true;  // else it would read our standard input
  return run_resolvconf({"-a", own_record(interface), "-m", "0", "-x"}, text, true);
}

Status remove_name_servers(const std::string& interface) {
  const Result<bool> done = run_resolvconf({"-d", own_record(interface), "-f"}, {}, false);
  return done ? Status() : Status(done.error());
}

}  // namespace hawser
