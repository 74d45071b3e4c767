#pragma once
// A network as its file describes it: the same on every host. Read by network/network_parse.h,
// judged by network/check.h, turned into one host's plan by network/plan.h.
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "network/endpoint_name.h"
#include "noise/keys.h"
#include "routing/ip_address.h"

namespace hawser {

enum class AddressPlan : std::uint8_t { kControllersAndPeers, kFullMesh, kNodeId };
enum class HostRole : std::uint8_t { kController, kPeer, kMember };

// As they are spelled in files and in printed plans: "full-mesh", "controller".
std::string_view address_plan_name(AddressPlan plan);
std::string_view host_role_name(HostRole role);
// "controllers", "peers", "members": the section of the file in which such hosts stand.
std::string_view host_role_section(HostRole role);

// A host holds an address in each controller's subnet and lists them all behind every prefix; no
// network is known with more than a handful.
inline constexpr std::size_t kMaxControllers = 32;
// IPv6 does not run below 1,280 (RFC 8200 §5); IPv4 hosts need not take more than 576 at once.
inline constexpr std::uint32_t kMinMtuV6 = 1280;
inline constexpr std::uint32_t kMinMtuV4 = 576;
inline constexpr std::uint32_t kDefaultNetworkMtu = 1420;
inline constexpr std::uint16_t kDefaultNetworkPort = 51820;
inline constexpr std::uint16_t kDefaultPersistentKeepalive = 25;  // seconds

// A prefix that the file gives, with the line it stands on.
struct LinedPrefix {
  Prefix prefix;
  unsigned line = 0;

  // 0.0.0.0/0 or ::/0: all that nobody else has. Whoever lists it offers an exit, which concerns
  // only those who take it (use_exit).
  bool is_exit() const { return prefix.length() == 0; }
};

// NetworkHost is one host's entry. What the file lacks or has wrong is absent here and has been
// reported as a problem.
struct NetworkHost {
  std::string name;
  HostRole role = HostRole::kMember;
  std::optional<PublicKey> public_key;
  std::optional<PublicKey> public_key_next;     // accepted as well, until one of the two is dropped
  std::string private_key_next_file;            // on that host; as written; empty: none
  std::optional<EndpointName> endpoint;         // controllers and members
  std::string controller;                       // peers: the designated one; may be empty
  std::optional<IpAddress> mesh_ip;             // members of a full mesh
  std::optional<IpAddress> ipv4;                // in place of the one that its name gives
  std::optional<std::uint64_t> address_suffix;  // peers: the same for the low half of its IPv6
  std::vector<LinedPrefix> allowed_ips;  // beyond what the address plan gives: LANs behind it
  std::string use_exit;                  // the host whose exit it takes; empty: none
  std::string preshared_key_file;        // as written; empty: none
  std::optional<std::uint16_t> persistent_keepalive;  // seconds; 0 turns it off
  std::optional<std::uint16_t> port;                  // its listen port, where not the network's
  std::vector<std::string> tags;

  unsigned line = 0;  // of its section
  std::map<std::string, unsigned, std::less<>> key_lines;

  unsigned line_of(std::string_view key) const;  // `line` where the key is absent
  // Is it one of the two that the host may have?
  bool has_key(const PublicKey& key) const { return public_key == key || public_key_next == key; }
  // "peers.laptop1", or with a key "peers.laptop1.public_key".
  std::string path(std::string_view key = {}) const;
};

struct Network {
  std::string name;
  std::string domain;     // of host names; the network's name unless the file says otherwise
  std::string interface;  // the same
  AddressPlan plan = AddressPlan::kControllersAndPeers;
  std::optional<Prefix> cidr;           // full-mesh, node-id
  std::optional<Prefix> ipv4;           // controllers-and-peers: beside the IPv6 addresses
  std::vector<std::string> site_order;  // names of hosts; network/sites.h
  std::uint32_t mtu = kDefaultNetworkMtu;
  std::uint16_t port = kDefaultNetworkPort;

  // Controllers first, then peers or members, each by name: the file's order does not matter.
  std::vector<NetworkHost> hosts;
  std::map<std::string, unsigned, std::less<>> key_lines;  // of [network]

  unsigned line_of(std::string_view key) const;
  const NetworkHost* find(std::string_view host_name) const;  // exact name; null: none
  std::vector<const NetworkHost*> hosts_of(HostRole role) const;
  std::vector<std::string_view> host_names() const;

  // The controller under which a peer's name resolves and behind which its LANs are routed: the
  // one it names, else the only one; null: none can be told.
  const NetworkHost* designated_controller(const NetworkHost& peer) const;

  // The host whose exit `host` takes; null: none, or one that is not there.
  const NetworkHost* exit_of(const NetworkHost& host) const;

  // Has `host` an address in the network with which it can use an exit of this family?
  bool takes_exit(const NetworkHost& host, IpFamily family) const;

  // The port that a host listens on; nothing for peers, which are found where they are heard from.
  std::optional<std::uint16_t> listen_port(const NetworkHost& host) const;
  // "name.domain".
  std::string full_name(const NetworkHost& host) const;

  // What `from` sends to keep the tunnel to `to` open, in seconds; nothing: no keepalives. A peer's
  // own value counts for all of its tunnels, as it is the side behind the NAT; else that of the
  // host which is kept reachable. A controller sends none to peers.
  std::optional<std::uint16_t> keepalive_between(const NetworkHost& from,
                                                 const NetworkHost& to) const;
  // The file of the tunnel's preshared key, the same seen from either side: the peer's, else that
  // of the host whose name sorts first among those that have one. Empty: none.
  static const std::string& preshared_key_file_between(const NetworkHost& a, const NetworkHost& b);
};

}  // namespace hawser
