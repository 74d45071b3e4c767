#include "network/address_plan_controllers_and_peers.h"

#include <algorithm>
#include <cassert>
#include <vector>

#include "base/wire.h"
#include "network/address_plan_node_id.h"
#include "network/name_hash.h"
#include "network/plan_builder.h"

namespace hawser {
namespace {

using network_internal::PlanBuilder;
using network_internal::Site;
using network_internal::sites_for;

constexpr std::size_t kControllerIdOffset = 5;  // bits 72 … 87 of an IPv6 address
constexpr std::size_t kPeerSuffixOffset = 8;

struct Hub {
  const NetworkHost* host;
  Prefix subnet;
};

std::vector<Hub> hubs_of(const Network& network) {
  const Prefix prefix = network_prefix(network.name);
  std::vector<Hub> hubs;
  for (const NetworkHost* const host : network.hosts_of(HostRole::kController)) {
    hubs.push_back({host, controller_subnet(prefix, host->name)});
  }
  return hubs;
}

Prefix host_prefix(const IpAddress& address) { return Prefix(address, address.bits()); }

std::size_t hub_index(const std::vector<Hub>& hubs, const NetworkHost* host) {
  const auto found =
      std::find_if(hubs.begin(), hubs.end(), [&](const Hub& hub) { return hub.host == host; });
  assert(found != hubs.end());
  return static_cast<std::size_t>(found - hubs.begin());
}

// The controller that stands for a host: itself, or a peer's designated one.
const NetworkHost* hub_of(const Network& network, const NetworkHost& host) {
  return host.role == HostRole::kController ? &host : network.designated_controller(host);
}

// Fallbacks for what belongs to hub `first`: the next ones by name, and round. So when a
// controller dies, its load goes to one neighbour, and not all dead ones' to the same.
std::vector<std::uint32_t> hubs_from(const std::vector<Hub>& hubs, std::size_t first,
                                     const PlanBuilder& builder, const NetworkHost& self) {
  std::vector<std::uint32_t> indices;
  for (std::size_t i = 0; i < hubs.size(); ++i) {
    const NetworkHost* const host = hubs[(first + i) % hubs.size()].host;
    if (host != &self) indices.push_back(builder.index_of(*host));
  }
  return indices;
}

// A peer reaches everything through controllers, any of them.
void plan_as_peer(PlanBuilder& builder, const Network& network, const NetworkHost& self,
                  const std::vector<Hub>& hubs) {
  for (const Hub& hub : hubs) {
    const IpAddress own = peer_address(hub.subnet, peer_suffix(self));
    builder.add_address(own, kControllerPrefixLen);
    builder.add_peer(*hub.host, controller_address(hub.subnet), own);
  }
  for (std::size_t i = 0; i < hubs.size(); ++i) {
    const std::vector<std::uint32_t> through = hubs_from(hubs, i, builder, self);
    builder.add_prefix(hubs[i].subnet, through, through);
  }
  if (network.ipv4) {
    // One prefix for everybody: no controller's part can be told from another's.
    const std::size_t designated = hub_index(hubs, hub_of(network, self));
    const std::vector<std::uint32_t> through = hubs_from(hubs, designated, builder, self);
    builder.add_prefix(*network.ipv4, through, through);
  }
  for (const Site& site : sites_for(network, self)) {
    const std::size_t hub = hub_index(hubs, hub_of(network, *site.hosts.front()));
    builder.add_site(site, hubs_from(hubs, hub, builder, self));
  }
}

// A controller reaches peers itself, and through the others those that it has no session with. It
// reaches other controllers itself only: a third one may not hand on what came from a controller.
// The same goes for the gateways in front of a site, one after another.
void plan_as_controller(PlanBuilder& builder, const Network& network, const NetworkHost& self,
                        const std::vector<Hub>& hubs) {
  const std::vector<const NetworkHost*> peers = network.hosts_of(HostRole::kPeer);
  const Prefix own_subnet = hubs[hub_index(hubs, &self)].subnet;
  const IpAddress own = controller_address(own_subnet);
  builder.add_address(own, kNetworkPrefixLen);
  for (const Hub& hub : hubs) {
    if (hub.host != &self) builder.add_peer(*hub.host, controller_address(hub.subnet), own);
  }
  for (const NetworkHost* const peer : peers) {
    builder.add_peer(*peer, peer_address(own_subnet, peer_suffix(*peer)), own);
  }
  for (const Hub& hub : hubs) {
    if (hub.host == &self) continue;
    const std::vector<std::uint32_t> itself = {builder.index_of(*hub.host)};
    builder.add_prefix(hub.subnet, itself, itself);
    if (network.ipv4) {
      builder.add_prefix(host_prefix(*ipv4_address(network, *hub.host)), itself, itself);
    }
  }
  // Behind the peer itself, in order: the others from the subnet's own controller on.
  std::vector<std::vector<std::uint32_t>> fallbacks;
  for (std::size_t i = 0; i < hubs.size(); ++i) {
    fallbacks.push_back(hubs_from(hubs, i, builder, self));
  }
  for (const NetworkHost* const peer : peers) {
    const auto behind_peer = [&](std::size_t hub) {
      std::vector<std::uint32_t> through = {builder.index_of(*peer)};
      through.insert(through.end(), fallbacks[hub].begin(), fallbacks[hub].end());
      return through;
    };
    for (std::size_t i = 0; i < hubs.size(); ++i) {
      const std::vector<std::uint32_t> through = behind_peer(i);
      builder.add_prefix(peer_prefix(hubs[i].subnet, peer_suffix(*peer)), through, through);
    }
    if (network.ipv4) {
      const std::vector<std::uint32_t> through =
          behind_peer(hub_index(hubs, hub_of(network, *peer)));
      builder.add_prefix(host_prefix(*ipv4_address(network, *peer)), through, through);
    }
  }
  for (const Site& site : sites_for(network, self)) {
    std::vector<std::uint32_t> through;
    const NetworkHost* first_peer = nullptr;
    for (const NetworkHost* const host : site.hosts) {
      if (host == &self) continue;
      through.push_back(builder.index_of(*host));
      if (first_peer == nullptr && host->role == HostRole::kPeer) first_peer = host;
    }
    if (first_peer != nullptr) {
      for (const std::uint32_t hub : fallbacks[hub_index(hubs, hub_of(network, *first_peer))]) {
        if (std::find(through.begin(), through.end(), hub) == through.end()) through.push_back(hub);
      }
    }
    builder.add_site(site, through);
  }
}

}  // namespace

Prefix network_prefix(std::string_view network_name) {
  const auto hash = name_hash(network_name);
  IpAddress address;
  address.family = IpFamily::kV6;
  address.bytes[0] = 0xfd;
  std::copy_n(hash.begin(), 3, address.bytes.begin() + 1);
  return Prefix(address, kNetworkPrefixLen);
}

std::uint16_t controller_id(std::string_view controller_name) {
  return load_be16(name_hash(controller_name).data());
}

Prefix controller_subnet(const Prefix& network, std::string_view controller_name) {
  IpAddress address = network.address();
  store_be16(address.bytes.data() + kControllerIdOffset, controller_id(controller_name));
  return Prefix(address, kControllerPrefixLen);
}

IpAddress controller_address(const Prefix& subnet) {
  IpAddress address = subnet.address();
  address.bytes.back() = 1;
  return address;
}

std::uint64_t peer_suffix(std::string_view peer_name) {
  return load_be64(name_hash(peer_name).data());
}

std::uint64_t peer_suffix(const NetworkHost& peer) {
  return peer.address_suffix.value_or(peer_suffix(peer.name));
}

IpAddress peer_address(const Prefix& controller_subnet, std::uint64_t suffix) {
  IpAddress address = controller_subnet.address();
  store_be64(address.bytes.data() + kPeerSuffixOffset, suffix);
  return address;
}

Prefix peer_prefix(const Prefix& controller_subnet, std::uint64_t suffix) {
  return Prefix(peer_address(controller_subnet, suffix), kPeerPrefixLen);
}

std::optional<IpAddress> named_address(const Network& network, const NetworkHost& host) {
  const Prefix prefix = network_prefix(network.name);
  if (host.role == HostRole::kController) {
    return controller_address(controller_subnet(prefix, host.name));
  }
  const NetworkHost* const controller = network.designated_controller(host);
  if (controller == nullptr) return {};
  return peer_address(controller_subnet(prefix, controller->name), peer_suffix(host));
}

std::optional<IpAddress> ipv4_address(const Network& network, const NetworkHost& host) {
  if (!network.ipv4 || host.ipv4) return host.ipv4;
  return node_address(*network.ipv4, host.name, {});
}

void plan_controllers_and_peers(HostPlan& plan, const Network& network, const NetworkHost& self) {
  PlanBuilder builder(plan, network, self);
  const std::vector<Hub> hubs = hubs_of(network);
  if (self.role == HostRole::kController) {
    plan_as_controller(builder, network, self, hubs);
  } else {
    plan_as_peer(builder, network, self, hubs);
  }
  if (network.ipv4) {
    builder.add_address(*ipv4_address(network, self), network.ipv4->length());
  }
  builder.finish();
}

}  // namespace hawser
