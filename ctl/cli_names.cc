#include "ctl/cli_names.h"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <sstream>
#include <vector>

#include "ctl/network_file.h"
#include "mesh/address_plan_controllers_and_peers.h"
#include "mesh/load.h"
#include "mesh/plan.h"

namespace hawser {

namespace {

constexpr std::string_view kBlockBegin = "# BEGIN hawser ";  // ctl/hosts_block.h
constexpr std::string_view kBlockEnd = "# END hawser ";

// "laptop1" and "laptop1.vpn" mean the host "laptop1.vpn".
bool means(std::string_view typed, std::string_view full_name) {
  return full_name.starts_with(typed) &&
         (full_name.size() == typed.size() || full_name[typed.size()] == '.');
}

// In the block of `network`; with an empty one, in that of any network.
std::optional<IpAddress> find_in_hosts_block(std::string_view name, std::string_view hosts_file,
                                             std::string_view network) {
  bool in_block = false;
  while (!hosts_file.empty()) {
    const std::string_view line = hosts_file.substr(0, hosts_file.find('\n'));
    hosts_file.remove_prefix(std::min(line.size() + 1, hosts_file.size()));
    if (line.starts_with(kBlockBegin)) {
      in_block = network.empty() || line.substr(kBlockBegin.size()) == network;
    } else if (line.starts_with(kBlockEnd)) {
      in_block = false;
    } else if (in_block) {
      std::istringstream words{std::string(line)};
      std::string address;
      std::string full_name;
      if (words >> address >> full_name && means(name, full_name)) {
        if (const auto found = IpAddress::parse(address)) return found;
      }
    }
  }
  return std::nullopt;
}

// A peer's own address, where its allowed IPs tell it.
std::optional<IpAddress> find_in_status(const std::string& name, const InterfaceStatus& status) {
  const PeerStatus* const peer = status.find(name);
  if (peer == nullptr) return std::nullopt;
  for (const std::string& text : peer->allowed_ips) {
    const std::optional<Prefix> prefix = Prefix::parse(text);
    if (prefix && prefix->length() == prefix->address().bits()) return prefix->address();
  }
  if (!peer->is_controller) return std::nullopt;
  // Behind a controller stand other controllers' subnets, too: its own is the one of its name.
  const Prefix network = mesh_network_prefix(status.network);
  const Prefix subnet = controller_subnet(network, peer->name);
  for (const std::string& text : peer->allowed_ips) {
    if (Prefix::parse(text) == subnet) return controller_address(subnet);
  }
  return std::nullopt;
}

Error unknown(const std::string& name, const InterfaceStatus* status) {
  std::string known;
  if (status != nullptr) {
    for (const PeerStatus& peer : status->peers) {
      if (!peer.name.empty()) known += (known.empty() ? "" : ", ") + peer.name;
    }
  }
  return Error{
      fmt::format("{} is not known here{}; give an address, or the network file with --network",
                  name, known.empty() ? "" : fmt::format(" (this host's peers are {})", known)),
      ENOENT};
}

}  // namespace

Result<IpAddress> find_address(const std::string& name, const NameSources& sources) {
  if (const auto address = IpAddress::parse(name)) return *address;
  const std::string network = sources.status == nullptr ? "" : sources.status->network;
  if (const auto found = find_in_hosts_block(name, sources.hosts_file, network)) return *found;
  if (sources.status != nullptr) {
    if (const auto found = find_in_status(name, *sources.status)) return *found;
  }
  if (sources.look_up) {
    if (const auto found = sources.look_up(name)) return *found;
    if (!network.empty()) {
      if (const auto found = sources.look_up(name + "." + network)) return *found;
    }
  }
  return unknown(name, sources.status);
}

Result<IpAddress> find_address_in_network(const std::string& name, const std::string& file) {
  if (const auto address = IpAddress::parse(name)) return *address;
  const Result<std::string> text = read_network_file(file);
  if (!text) return text.error();
  const LoadedNetwork loaded = load_network(*text);
  if (!loaded.usable() || loaded.network.hosts.empty()) {
    return Error{fmt::format("{} is not usable; see hawser check {}", file, file), EINVAL};
  }
  // Every host's plan has the names of all.
  const Result<HostPlan> plan = plan_host(loaded.network, loaded.network.hosts.front().name);
  if (!plan) return plan.error();
  for (const PlanHostName& host : plan->hosts) {
    if (means(name, host.name)) return host.address;
  }
  return Error{fmt::format("{} is no host of the network in {}", name, file), ENOENT};
}

std::optional<IpAddress> look_up_name(const std::string& name) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* list = nullptr;
  if (::getaddrinfo(name.c_str(), nullptr, &hints, &list) != 0) return std::nullopt;
  std::optional<IpAddress> found;
  if (list->ai_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, list->ai_addr, sizeof v4);
    std::array<std::uint8_t, 4> raw{};
    std::memcpy(raw.data(), &v4.sin_addr, raw.size());
    found = IpAddress::v4(raw);
  } else if (list->ai_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, list->ai_addr, sizeof v6);
    std::array<std::uint8_t, 16> raw{};
    std::memcpy(raw.data(), &v6.sin6_addr, raw.size());
    found = IpAddress::v6(raw);
  }
  ::freeaddrinfo(list);
  return found;
}

}  // namespace hawser
