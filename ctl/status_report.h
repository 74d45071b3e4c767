#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "dataplane/device.h"
#include "dataplane/view.h"

namespace hawser {

// What a network's plan adds to the status.
struct NetworkFacts {
  struct Peer {
    std::string name;
    std::string role;      // "controller", "peer", "member"
    std::string endpoint;  // as the file has it, perhaps by name; may be empty
    IpAddress address{};   // inside the tunnel
  };
  struct Route {
    Prefix destination;
    std::vector<PublicKey> via;  // in order of preference
  };
  std::string network;
  std::string host;
  std::string role;
  std::optional<std::int64_t> confirm_until;  // Unix time, seconds: a reload waits for it
  std::unordered_map<PublicKey, Peer> peers;
  std::vector<Route> routes;                    // those with more than one way
  std::optional<std::int64_t> taken_back = {};  // Unix time: an unconfirmed reload was, and since
                                                // then what runs is not what the file says
  std::string hosts_problem = {};               // why the host names are not in the hosts file
  std::string exit = {};                        // the host that it takes as an exit
  std::vector<std::string> missing = {};  // of the interface: "address fd00::1/56", "route …"
};

// What the daemon knows beside its device: how it was started and what it chose.
struct StatusFacts {
  std::string interface;
  ForwardMode forward = ForwardMode::kKernel;
  bool has_tun = true;
  bool is_up = true;
  std::string engine;         // "io_uring", "epoll"
  std::string engine_reason;  // why not the preferred one; may be empty
  std::string aead;
  std::size_t num_workers = 0;
  std::uint32_t mtu = 0;
  std::int64_t started = 0;             // Unix time, seconds
  std::optional<NetworkFacts> network;  // with --network
};

// "kernel", "direct", "none"
std::string_view to_string(ForwardMode mode);

// The whole answer to get=status: key=value lines in the style of the UAPI, device first, then each
// peer from its public_key on; errno=0 and an empty line end it. Names are stable; new ones may
// come, and drop counters that are zero are left out. No secrets in it.
//
// Device: version, interface, forward, tun, up, engine, engine_reason, aead, workers,
// mtu, started_sec, own_public_key, listen_port, fwmark, num_peers, under_load, received_datagrams,
// sent_datagrams, relayed_packets, tun_read_packets, tun_written_packets, icmp_errors_sent,
// handshakes_completed, cookie_replies_sent, gso_refusals, drop.REASON (those of no peer).
// Peer: public_key, endpoint, last_handshake_time_sec, tx_bytes, rx_bytes,
// next_public_key and uses_next_key (while it goes over to another key),
// persistent_keepalive_interval, has_session, handshake_attempts (initiations in a
// row without an answer so far), num_staged, drop.REASON, allowed_ip.
//
// With --network also, device: network, host, role, confirm_until_sec (while a reload waits for its
// confirmation), reload_taken_back_sec (since an unconfirmed reload was taken back, until the next
// one succeeds), exit (the host whose exit this one takes), hosts_problem (while the hosts file
// cannot be written), missing (once for each address, route or rule that somebody removed), and for
// each destination that several peers can carry
//   route=PREFIX NAME
// with the peer that carries it now, "-" if none is alive. Peer: name, role, configured_endpoint,
// is_controller, address (inside the tunnel), reachable (there is a session, and what is sent on it
// is answered as far as that is known).
std::string make_status_report(const StatusFacts& facts, const DeviceView& view,
                               const DeviceCounters& counters);

// Device and peers together.
DropCounts total_drops(const DeviceView& view, const DeviceCounters& counters);

// One line for the end of a run: "dropped packets: no-session 12, replayed 3", or that there are
// none.
std::string summarize_drops(const DropCounts& drops);

}  // namespace hawser
