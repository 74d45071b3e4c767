#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ctl/status_client.h"
#include "routing/ip_address.h"

namespace hawser {

// What a daemon says of one peer; numbers are 0 and texts empty where it says nothing.
struct PeerStatus {
  std::string public_key;       // base64
  std::string next_public_key;  // base64; empty: none
  bool uses_next_key = false;
  std::string name;  // in the network; empty: it has none
  std::string role;
  std::string address;              // inside the tunnel, in a network
  std::string endpoint;             // ADDR:PORT
  std::string configured_endpoint;  // as the network file has it, perhaps by name
  bool is_controller = false;
  bool reachable = false;
  bool has_session = false;
  std::int64_t last_handshake = 0;  // Unix time, seconds
  std::int64_t tx_bytes = 0;
  std::int64_t rx_bytes = 0;
  std::int64_t persistent_keepalive = 0;  // seconds
  std::int64_t handshake_attempts = 0;    // in a row, without an answer so far
  std::int64_t num_staged = 0;
  std::vector<std::string> allowed_ips;
  std::vector<StatusLine> drops;  // reason, count

  static PeerStatus read(const std::vector<StatusLine>& lines);
  // Its name in the network, else the public key.
  const std::string& label() const { return name.empty() ? public_key : name; }
  std::int64_t dropped(std::string_view reason) const;
  // "alive", "dead" (it was there, and does not answer), "unheard" (it was never there); of one
  // that nobody watches as far as its traffic tells. Empty: no network, nothing is known.
  std::string_view liveness() const;
  // Has a session, and is known to answer on it as far as that is watched (in a network).
  bool is_answering() const { return has_session && (name.empty() || reachable); }
};

// A destination that several peers can carry, and the one that does now.
struct RouteStatus {
  std::string destination;
  std::string via;  // empty: none of them is alive
};

// InterfaceStatus is a StatusAnswer read: what `wait`, `top`, `probe` and people look at.
struct InterfaceStatus {
  std::string interface;
  std::string network;  // empty: the daemon runs without --network
  std::string host;
  std::string role;
  std::string own_public_key;  // base64; empty: it has none
  bool up = false;
  bool tun = false;
  bool under_load = false;
  std::int64_t listen_port = 0;
  std::int64_t started = 0;        // Unix time, seconds
  std::int64_t confirm_until = 0;  // the same; 0: nothing waits to be confirmed
  std::int64_t taken_back = 0;     // Unix time: an unconfirmed reload was; 0: none
  std::string hosts_problem;       // why the host names are not in the hosts file; mostly empty
  std::int64_t relayed_packets = 0;
  std::string engine;
  std::string aead;
  std::int64_t workers = 0;
  std::vector<StatusLine> drops;  // those of no peer
  std::vector<RouteStatus> routes;
  std::vector<std::string> missing;  // what the interface should have: "address …", "route …"
  std::vector<PeerStatus> peers;

  static InterfaceStatus read(const StatusAnswer& answer);

  // By name, full name ("laptop1.vpn") or public key in base64; null: none.
  const PeerStatus* find(std::string_view peer) const;
  std::int64_t dropped(std::string_view reason) const;
  // The label of the peer that packets to `address` go through now, by the longest prefix; empty:
  // nobody's.
  std::string carrier_of(const IpAddress& address) const;
};

// Asks the daemon of `wanted`; of the only interface there is when it is empty. Bounded as
// query_status() is.
Result<InterfaceStatus> query_interface(const std::string& control_dir, const std::string& wanted,
                                        Duration at_most = kAnswerTime);

}  // namespace hawser
