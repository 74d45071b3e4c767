#pragma once
// A configuration change as one value: all of it is applied, or none.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dataplane/overlay.h"
#include "noise/keys.h"
#include "routing/endpoint.h"
#include "routing/ip_address.h"

namespace hawser {

struct AllowedIpChange {
  Prefix prefix;
  bool remove = false;  // removes it only if this very peer has it
};

// Fields that are not set stay as they are. Order of fields in a request does not matter, but
// replace_allowed_ips comes before allowed_ips.
struct PeerChange {
  PublicKey public_key;
  // Another key that the same peer may have: it is accepted under either. Zero: none. A peer whose
  // keys become one of the two, or the same two the other way round, keeps its session as long as
  // the key that made it stays. Not set: the peer is the one whose present key is public_key.
  std::optional<PublicKey> next_public_key;
  bool remove = false;
  bool update_only = false;                   // an absent peer is not created
  std::optional<PresharedKey> preshared_key;  // zero: none
  std::optional<Endpoint> endpoint;
  // Another way to the same host, because nothing came back on the present one: a handshake that is
  // under way does not wait out its 5 s, but begins anew at `endpoint`.
  bool tries_other_endpoint = false;
  std::optional<std::uint16_t> persistent_keepalive;  // seconds, 0: off
  std::optional<std::string> name;                    // in the network; what log lines call it
  bool replace_allowed_ips = false;
  std::vector<AllowedIpChange> allowed_ips;
};

struct DeviceChange {
  std::optional<PrivateKey> private_key;  // zero: removes it
  // The device only remembers these two; whoever holds the sockets has rebound and marked them
  // before the change is applied.
  std::optional<std::uint16_t> listen_port;
  std::optional<std::uint32_t> fwmark;
  bool replace_peers = false;
  std::vector<PeerChange> peers;   // applied in order
  std::optional<Overlay> overlay;  // replaces the present one; names peers by key
};

}  // namespace hawser
