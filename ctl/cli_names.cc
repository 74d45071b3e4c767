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
#include "network/address_plan_controllers_and_peers.h"
#include "network/load.h"
#include "network/plan.h"

namespace hawser {

namespace {

constexpr std::string_view kBlockBegin = "# BEGIN hawser ";  // ctl/hosts_block.h
constexpr std::string_view kBlockEnd = "# END hawser ";

// NameMatch is shown full names and keeps the one that was meant: "laptop1" and "laptop1.vpn" mean
// the host "laptop1.vpn", and rather it than "laptop1.lab.vpn".
class NameMatch {
 public:
  explicit NameMatch(std::string_view typed) : typed_(typed) {}

  void consider(std::string_view full_name, const IpAddress& address) {
    if (!full_name.starts_with(typed_)) return;
    if (full_name.size() > typed_.size() && full_name[typed_.size()] != '.') return;
    if (found_ && full_name.size() >= len_) return;
    found_ = address;
    len_ = full_name.size();
  }
  const std::optional<IpAddress>& found() const { return found_; }

 private:
  std::string_view typed_;
  std::size_t len_ = 0;  // of the best so far
  std::optional<IpAddress> found_;
};

// In the block of `network`; with an empty one, in that of any network.
std::optional<IpAddress> find_in_hosts_block(std::string_view name, std::string_view hosts_file,
                                             std::string_view network) {
  bool in_block = false;
  NameMatch match(name);
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
      if (!(words >> address >> full_name)) continue;
      if (const auto parsed = IpAddress::parse(address)) match.consider(full_name, *parsed);
    }
  }
  return match.found();
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
  const Prefix network = network_prefix(status.network);
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
  NameMatch match(name);
  for (const PlanHostName& host : plan->hosts) match.consider(host.name, host.address);
  if (match.found()) return *match.found();
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
