#pragma once
// A consistent copy of the device's configuration and counters, for control sockets and people.
#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/time.h"
#include "dataplane/drop_reason.h"
#include "noise/keys.h"
#include "routing/endpoint.h"
#include "routing/ip_address.h"

namespace hawser {

using DropCounts = std::array<std::uint64_t, kNumDropReasons>;

struct PeerView {
  PublicKey public_key;
  std::optional<PublicKey> next_public_key;  // accepted as well
  bool uses_next_key = false;                // the latest session was made under it
  PresharedKey preshared_key;
  std::optional<Endpoint> endpoint;
  WallTime last_handshake;     // zero: never
  std::uint64_t tx_bytes = 0;  // on the wire (UDP payload), as the kernel module counts
  std::uint64_t rx_bytes = 0;
  std::uint16_t persistent_keepalive = 0;
  std::vector<Prefix> allowed_ips;
  bool has_session = false;  // a keypair that can send now
  std::uint32_t num_staged = 0;
  std::uint32_t handshake_attempts = 0;  // initiations in a row that had no answer so far
  bool is_controller = false;            // of the overlay
  // It has a session; and a controller is alive as the watch over it finds, any other has left no
  // data unanswered for long.
  bool reachable = false;
  DropCounts drops{};
};

struct DeviceView {
  PrivateKey private_key;  // zero: none
  PublicKey public_key;
  std::uint16_t listen_port = 0;
  std::uint32_t fwmark = 0;
  std::vector<PeerView> peers;  // in order of creation
};

// What the data plane did since start, over all workers.
struct DeviceCounters {
  std::uint64_t received_datagrams = 0;
  std::uint64_t sent_datagrams = 0;
  std::uint64_t relayed_packets = 0;
  std::uint64_t tun_read_packets = 0;
  std::uint64_t tun_written_packets = 0;
  std::uint64_t icmp_errors_sent = 0;
  std::uint64_t handshakes_completed = 0;
  std::uint64_t cookie_replies_sent = 0;
  std::uint64_t gso_refusals = 0;
  bool under_load = false;
  DropCounts drops{};  // those that belong to no peer
};

}  // namespace hawser
