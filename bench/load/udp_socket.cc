#include "bench/load/udp_socket.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cerrno>
#include <charconv>
#include <cstring>

#include "base/wire.h"
#include "bench/load/errno_error.h"
#include "bench/load/network_namespace.h"

namespace hawser::load {
namespace {

// What arrives while the generator is busy sending must fit: the generator may not be the one that
// loses packets. With one pair all of it is one socket's, with many they share.
constexpr int kBufferLen = 64 << 20;
constexpr std::size_t kSpareDescriptors = 64;

socklen_t fill_address(sockaddr_storage& out, const Endpoint& remote) {
  if (remote.address.family == IpFamily::kV4) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(remote.port);
    std::memcpy(&v4.sin_addr, remote.address.bytes.data(), 4);
    std::memcpy(&out, &v4, sizeof v4);
    return sizeof v4;
  }
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(remote.port);
  std::memcpy(&v6.sin6_addr, remote.address.bytes.data(), 16);
  std::memcpy(&out, &v6, sizeof v6);
  return sizeof v6;
}

void set_option(int fd, int level, int name, int value) {
  ::setsockopt(fd, level, name, &value, sizeof value);
}

Status bind_source(int fd, const IpAddress& first, std::size_t i) {
  Endpoint source;
  source.address = first;
  std::uint8_t* const last = source.address.bytes.data() + source.address.size() - 4;
  store_be32(last, load_be32(last) + static_cast<std::uint32_t>(i));
  set_option(fd, IPPROTO_IP, IP_FREEBIND, 1);
  sockaddr_storage address{};
  const socklen_t len = fill_address(address, source);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), len) == 0) return {};
  return errno_error("bind to " + source.to_string());
}

Result<UniqueFd> open_one(const Endpoint& remote, const IpAddress& first_source, std::size_t i) {
  const int family = remote.address.family == IpFamily::kV4 ? AF_INET : AF_INET6;
  UniqueFd fd(::socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return errno_error("socket");
  set_option(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, kBufferLen);
  set_option(fd.get(), SOL_SOCKET, SO_SNDBUFFORCE, kBufferLen);
  set_option(fd.get(), IPPROTO_UDP, UDP_GRO, 1);
  if (!first_source.is_unspecified()) {
    Status bound = bind_source(fd.get(), first_source, i);
    if (!bound) return bound.error();
  }
  sockaddr_storage address{};
  const socklen_t len = fill_address(address, remote);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), len) != 0) {
    return errno_error("no way to " + remote.to_string());
  }
  return fd;
}

// For so many more than there are.
Status allow_descriptors(std::size_t num) {
  static std::size_t opened = 0;
  opened += num;
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const rlim_t wanted = opened + kSpareDescriptors;
  if (limit.rlim_cur >= wanted) return {};
  limit.rlim_cur = wanted;
  if (limit.rlim_max < wanted) limit.rlim_max = wanted;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) return errno_error("too few descriptors allowed");
  return {};
}

}  // namespace

Result<Endpoint> parse_endpoint(const std::string& text) {
  const Error bad{"not ADDRESS:PORT: " + text, EINVAL};
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) return bad;
  std::string host = text.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  Endpoint endpoint;
  const std::optional<IpAddress> address = IpAddress::parse(host);
  const char* const end = text.data() + text.size();
  const std::from_chars_result port = std::from_chars(text.data() + colon + 1, end, endpoint.port);
  if (!address || port.ec != std::errc{} || port.ptr != end || endpoint.port == 0) return bad;
  endpoint.address = *address;
  return endpoint;
}

Result<std::vector<UniqueFd>> open_udp_sockets_in(const std::string& name, std::size_t num,
                                                  const Endpoint& remote,
                                                  const IpAddress& first_source) {
  std::vector<UniqueFd> sockets;
  sockets.reserve(num);
  const Status allowed = allow_descriptors(num);
  if (!allowed) return allowed.error();
  const Status status = in_namespace(name, [&]() -> Status {
    while (sockets.size() < num) {
      Result<UniqueFd> one = open_one(remote, first_source, sockets.size());
      if (!one) return one.error();
      sockets.push_back(std::move(*one));
    }
    return {};
  });
  if (!status) return status.error();
  return sockets;
}

}  // namespace hawser::load
