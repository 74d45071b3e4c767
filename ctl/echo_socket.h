#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "ctl/echo_message.h"
#include "routing/ip_address.h"
#include "tun/unique_fd.h"

namespace hawser {

// EchoSocket sends numbered ICMP echo requests to one address and receives the replies: through a
// ping socket where the host allows it (net.ipv4.ping_group_range), else through a raw one.
class EchoSocket {
 public:
  // `interface`: packets leave through it whatever the routes say; empty: as the routes say. Errors
  // name the remedy.
  static Result<EchoSocket> open(const IpAddress& to, const std::string& interface,
                                 const EchoRun& run);

  int fd() const { return fd_.get(); }
  Status send(std::uint64_t number);
  // The number of a reply that has arrived; nothing: none is there. What is no reply of this run is
  // passed over.
  std::optional<std::uint64_t> receive();

 private:
  EchoSocket(UniqueFd fd, IpFamily family, bool has_ip_header, const EchoRun& run)
      : fd_(std::move(fd)), family_(family), has_ip_header_(has_ip_header), run_(run) {}

  UniqueFd fd_;
  IpFamily family_;
  bool has_ip_header_;  // what is received begins with one
  EchoRun run_;
};

}  // namespace hawser
