#include "ctl/echo_socket.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <span>
#include <vector>

#include "routing/ip_packet.h"

namespace hawser {

namespace {

// Ours have 64 bytes, and an IPv4 header of at most 60 in front; longer ones are cut and not ours.
constexpr std::size_t kReceiveLen = 256;

std::optional<sockaddr_storage> to_sockaddr(const IpAddress& address, socklen_t& len) {
  sockaddr_storage storage{};
  if (address.family == IpFamily::kV4) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    std::memcpy(&v4.sin_addr, address.bytes.data(), sizeof v4.sin_addr);
    std::memcpy(&storage, &v4, sizeof v4);
    len = sizeof v4;
  } else {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    std::memcpy(&v6.sin6_addr, address.bytes.data(), sizeof v6.sin6_addr);
    std::memcpy(&storage, &v6, sizeof v6);
    len = sizeof v6;
  }
  return storage;
}

Error interface_error(const std::string& interface, int code) {
  if (code == ENODEV) {
    return Error{fmt::format("there is no interface {} on this host", interface), code};
  }
  return Error{
      fmt::format("cannot send through {}: {}; become root", interface, std::strerror(code)), code};
}

Error address_error(const IpAddress& to, const std::string& interface, int code) {
  return Error{fmt::format("{} cannot be reached from this host{}: {}", to.to_string(),
                           interface.empty() ? "" : " through " + interface, std::strerror(code)),
               code};
}

}  // namespace

Result<EchoSocket> EchoSocket::open(const IpAddress& to, const std::string& interface,
                                    const EchoRun& run) {
  const bool is_v4 = to.family == IpFamily::kV4;
  const int domain = is_v4 ? AF_INET : AF_INET6;
  const int protocol = is_v4 ? static_cast<int>(IPPROTO_ICMP) : static_cast<int>(IPPROTO_ICMPV6);
  constexpr int kFlags = SOCK_CLOEXEC | SOCK_NONBLOCK;
  UniqueFd fd(::socket(domain, SOCK_DGRAM | kFlags, protocol));
  const bool is_raw = !fd;
  if (is_raw) fd = UniqueFd(::socket(domain, SOCK_RAW | kFlags, protocol));
  if (!fd) {
    return Error{fmt::format("probes cannot be sent: {}; become root, or allow it with sysctl -w "
                             "net.ipv4.ping_group_range=\"0 2147483647\"",
                             std::strerror(errno)),
                 errno};
  }
  if (is_raw && !is_v4) {
    icmp6_filter filter{};
    ICMP6_FILTER_SETBLOCKALL(&filter);
    ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &filter);
    ::setsockopt(fd.get(), IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof filter);
  }
  if (!interface.empty() && ::setsockopt(fd.get(), SOL_SOCKET, SO_BINDTODEVICE, interface.c_str(),
                                         static_cast<socklen_t>(interface.size())) != 0) {
    return interface_error(interface, errno);
  }
  socklen_t len = 0;
  const auto address = to_sockaddr(to, len);
  // Also so that answers of others do not wake us.
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&*address), len) != 0) {
    return address_error(to, interface, errno);
  }
  return EchoSocket(std::move(fd), to.family, is_raw && is_v4, run);
}

Status EchoSocket::send(std::uint64_t number) {
  const std::vector<std::uint8_t> message = make_echo_request(family_, run_, number);
  // The error of an earlier probe (an ICMP error that came back) may be reported first.
  for (int attempt = 0; attempt < 2; ++attempt) {
    if (::send(fd_.get(), message.data(), message.size(), 0) >= 0) return {};
    if (errno != ECONNREFUSED && errno != EHOSTUNREACH && errno != EINTR) break;
  }
  return Error{std::strerror(errno), errno};
}

std::optional<std::uint64_t> EchoSocket::receive() {
  std::array<std::uint8_t, kReceiveLen> buffer{};
  while (true) {
    const ssize_t got = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
    if (got < 0 && (errno == EINTR || errno == ECONNREFUSED || errno == EHOSTUNREACH)) continue;
    if (got < 0) return std::nullopt;
    std::span<const std::uint8_t> message(buffer.data(), static_cast<std::size_t>(got));
    if (has_ip_header_) {
      if (message.size() < kMinIpv4HeaderLen) continue;
      const std::size_t header_len = (message[0] & 0x0fu) * std::size_t{4};
      message = message.subspan(std::min(header_len, message.size()));
    }
    if (const auto number = parse_echo_reply(family_, run_, message)) return number;
  }
}

}  // namespace hawser
