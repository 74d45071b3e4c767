#pragma once
#include <sys/types.h>

#include <cstdint>
#include <string>

#include "base/result.h"

namespace hawser::load {

// What the UDP of a network namespace has counted, both families together. One datagram here is one
// receive or send call's worth: a train that passed whole counts once.
struct UdpCounts {
  std::uint64_t in = 0;
  std::uint64_t out = 0;
  std::uint64_t receive_buffer_errors = 0;
  std::uint64_t send_buffer_errors = 0;

  UdpCounts operator-(const UdpCounts& earlier) const;
  UdpCounts& operator+=(const UdpCounts& more);
};

// ProcessMeter looks at the process under test from outside, through /proc.
class ProcessMeter {
 public:
  // Pid 0: nobody, everything reads as zero.
  static Result<ProcessMeter> open(pid_t pid);

  bool present() const { return pid_ != 0; }
  // Processor time of all its threads (or those of one name), user and system, since they were
  // started. To the nanosecond
  // for threads that sleep at the moment (/proc/PID/task/*/schedstat); a thread that runs may be
  // one scheduler tick behind.
  std::int64_t cpu_ns(const std::string& thread_name = {}) const;
  // Of the network namespace that it was started in.
  UdpCounts udp() const;
  std::uint64_t resident_kib() const;

 private:
  explicit ProcessMeter(pid_t pid) : pid_(pid) {}
  std::string path(const char* name) const;

  pid_t pid_;
};

// Processor time of the whole machine, in clock ticks (/proc/stat): all of it, and what the
// hypervisor gave to others.
struct MachineTime {
  std::uint64_t total = 0;
  std::uint64_t steal = 0;
};
MachineTime machine_time();

}  // namespace hawser::load
