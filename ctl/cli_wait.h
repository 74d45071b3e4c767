#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "ctl/cli_arguments.h"
#include "ctl/cli_output.h"
#include "ctl/interface_status.h"

namespace hawser {

// Why there is no session with a peer, as far as its status tells: no endpoint, a name that does
// not resolve, never answered, refused, … One sentence with the remedy. Pure.
std::string likely_cause(const InterfaceStatus& status, const PeerStatus& peer, std::int64_t now);

// What `hawser wait` still waits for, a line for each thing: which peer, which endpoint, since
// when, and the likely cause. A peer is there when it has a session and, in a network, answers.
// Empty: all is there. `now`: Unix time, seconds. Pure.
std::vector<std::string> missing_for(const CliArguments& arguments, const InterfaceStatus& status,
                                     std::int64_t now);

// The world of a wait; tests have virtual time.
struct WaitPorts {
  std::function<Result<InterfaceStatus>()> query;
  std::function<Instant()> now;
  std::function<std::int64_t()> unix_now;
  std::function<void(Duration)> sleep;
};

// Waits for a daemon that need not be there yet. Fails after arguments.timeout, and says what is
// missing then.
CliOutput wait_until_ready(const CliArguments& arguments, const WaitPorts& ports);

// The system's.
WaitPorts make_wait_ports(const CliArguments& arguments);

}  // namespace hawser
