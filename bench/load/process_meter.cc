#include "bench/load/process_meter.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

namespace hawser::load {
namespace {

// /proc/PID/net/snmp: "Udp: NAME NAME ..." and "Udp: VALUE VALUE ..." in two lines.
void add_snmp4(const std::string& path, UdpCounts& counts) {
  std::ifstream file(path);
  std::vector<std::string> names;
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("Udp: ")) continue;
    std::istringstream words(line.substr(5));
    if (names.empty()) {
      for (std::string name; words >> name;) names.push_back(name);
      continue;
    }
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < names.size() && words >> value; ++i) {
      if (names[i] == "InDatagrams") counts.in += value;
      if (names[i] == "OutDatagrams") counts.out += value;
      if (names[i] == "RcvbufErrors") counts.receive_buffer_errors += value;
      if (names[i] == "SndbufErrors") counts.send_buffer_errors += value;
    }
  }
}

// /proc/PID/net/snmp6: "NAME VALUE" in each line.
void add_snmp6(const std::string& path, UdpCounts& counts) {
  std::ifstream file(path);
  std::string name;
  for (std::uint64_t value = 0; file >> name >> value;) {
    if (name == "Udp6InDatagrams") counts.in += value;
    if (name == "Udp6OutDatagrams") counts.out += value;
    if (name == "Udp6RcvbufErrors") counts.receive_buffer_errors += value;
    if (name == "Udp6SndbufErrors") counts.send_buffer_errors += value;
  }
}

}  // namespace

UdpCounts UdpCounts::operator-(const UdpCounts& earlier) const {
  return {in - earlier.in, out - earlier.out, receive_buffer_errors - earlier.receive_buffer_errors,
          send_buffer_errors - earlier.send_buffer_errors};
}

UdpCounts& UdpCounts::operator+=(const UdpCounts& more) {
  in += more.in;
  out += more.out;
  receive_buffer_errors += more.receive_buffer_errors;
  send_buffer_errors += more.send_buffer_errors;
  return *this;
}

Result<ProcessMeter> ProcessMeter::open(pid_t pid) {
  ProcessMeter meter(pid);
  if (pid != 0 && ::access(meter.path("schedstat").c_str(), R_OK) != 0) {
    return Error{"no process " + std::to_string(pid) + " (or no schedstat in this kernel)", 0};
  }
  return meter;
}

std::string ProcessMeter::path(const char* name) const {
  return "/proc/" + std::to_string(pid_) + "/" + name;
}

std::int64_t ProcessMeter::cpu_ns(const std::string& thread_name) const {
  if (!present()) return 0;
  std::int64_t sum = 0;
  std::error_code gone;
  for (const auto& thread : std::filesystem::directory_iterator(path("task"), gone)) {
    std::string name;
    if (!thread_name.empty()) {
      std::getline(std::ifstream(thread.path() / "comm"), name);
      if (name != thread_name) continue;
    }
    std::int64_t ran = 0;
    if (std::ifstream(thread.path() / "schedstat") >> ran) sum += ran;
  }
  return sum;
}

UdpCounts ProcessMeter::udp() const {
  UdpCounts counts;
  if (!present()) return counts;
  add_snmp4(path("net/snmp"), counts);
  add_snmp6(path("net/snmp6"), counts);
  return counts;
}

std::uint64_t ProcessMeter::resident_kib() const {
  if (!present()) return 0;
  std::ifstream file(path("status"));
  for (std::string word; file >> word;) {
    std::uint64_t kib = 0;
    if (word == "VmRSS:" && file >> kib) return kib;
  }
  return 0;
}

MachineTime machine_time() {
  // "cpu user nice system idle iowait irq softirq steal guest guest_nice"; guests are within user.
  constexpr int kStealColumn = 7;
  std::ifstream file("/proc/stat");
  std::string name;
  file >> name;
  MachineTime time;
  std::uint64_t value = 0;
  for (int column = 0; column <= kStealColumn && file >> value; ++column) {
    time.total += value;
    if (column == kStealColumn) time.steal = value;
  }
  return time;
}

}  // namespace hawser::load
