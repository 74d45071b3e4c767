#pragma once
// A small network of nodes on virtual time, with everything that goes wrong in networks. All that
// happens follows from the seed.
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/sim/event_queue.h"
#include "tests/sim/node.h"
#include "tests/sim/observer.h"
#include "tests/sim/seeded_random.h"

namespace hawser::testing {

using namespace std::chrono_literals;

inline std::size_t at(int index) { return static_cast<std::size_t>(index); }

// What the network does to datagrams; percentages are per datagram.
struct Weather {
  double loss = 0;
  double duplication = 0;
  double corruption = 0;
  double late = 0;  // held back for up to 30 s
  Duration delay = 10ms;
  Duration jitter{};  // > 0 reorders
  double replay = 0;  // by an attacker, from elsewhere
};

class World {
 public:
  struct Options {
    int num_nodes = 2;  // 2: a pair; 3: node 0 is the controller between the others
    bool controller_has_tun = true;
  };

  // One node as the world keeps it, over its restarts.
  struct Host {
    int index = 0;
    DeviceOptions options;
    TunFeatures features;
    std::uint64_t key_seed = 0;
    std::array<std::uint64_t, 3> psk_seed{};  // by peer; 0: none
    std::array<bool, 3> has_peer{};
    std::uint16_t keepalive = 0;
    MemoryTimestampStore store;
    std::unique_ptr<Node> node;
    unsigned generation = 0;
    Ledger ledger;
    Endpoint at;  // where the others see it
    Duration boot_offset{};
    Duration wall_offset{};
    bool asleep = false;
    std::vector<WireDatagram> arrived;  // at this very moment
    std::vector<WireDatagram> backlog;  // came while asleep
    std::vector<WireDatagram> queued_handshakes;
    std::optional<Duration> turn_at;  // the next turn of the handshake thread
  };

  // Packets from one host's network to another's.
  struct Flow {
    int from = 0;
    int to = 0;
    bool v6 = false;
    Duration interval = 1s;
    int burst = 1;
    bool running = false;
    unsigned epoch = 0;  // counts starts; what an earlier one has scheduled is void
  };

  World(std::uint64_t seed, const Options& options);

  // Runs until virtual time `end` or the first violation.
  void run_until(Duration end);
  bool failed() const { return !observer.violations().empty(); }
  Duration now() const { return events.now(); }

  // --- what may happen (faults.cc decides when) ---
  void restart(int host);
  void roam(int host);
  void sleep(int host, Duration how_long);
  void jump_wall(int host, Duration by);
  void change_psk(int a, int b);
  void change_private_key(int host);
  void remove_peer(int host, int peer);
  void add_peer(int host, int peer);
  void set_up(int host, bool up);
  void set_keepalive(int host, std::uint16_t seconds);
  // All current sessions of the host go on from `counter` (if that is ahead).
  void start_counters_at(int host, std::uint64_t counter);
  // `times` times, so often that the host stays under load.
  void flood_with_garbage(int host, int num, int times);
  // A datagram is held back until more than a replay window's worth has passed it.
  void overtake(int from, int to);
  void send(const Flow& flow, int num);
  void ping(int from, int to);
  void start_flow(std::size_t which);
  void go_on(std::size_t which, unsigned epoch);
  void blackout(Duration how_long) { dark_until_ = now() + how_long; }

  std::vector<int> peers_of(int host) const;
  std::vector<Flow> all_flows() const;
  Host& host(int index) { return *hosts_[static_cast<std::size_t>(index)]; }
  int num_hosts() const { return static_cast<int>(hosts_.size()); }
  // Sends whatever is known of this datagram once more.
  void replay_everything_recent(int host);

  std::uint64_t trace_hash() const { return trace_hash_; }

  SeededRandom random;
  EventQueue events;
  Observer observer;
  Weather weather;
  std::vector<Flow> flows;

 private:
  void create_node(Host& host);
  PeerChange describe_peer(const Host& host, int peer, bool with_endpoint) const;
  Observer::Subject subject(Host& host);
  void set_clock(Host& host);
  IpAddress inner_address(int host, bool v6) const;

  void transmit(Host& from, const Datagram& datagram);
  void deliver_later(WireDatagram datagram);
  void arrive(const WireDatagram& datagram);
  void receive_arrived(Host& host);
  void receive(Host& host, const std::vector<std::vector<WireDatagram>>& trains);
  void attack(Host& host, const WireDatagram& seen);
  void corrupt(WireDatagram& datagram);
  void settle(Host& host, std::int64_t keepalives);
  void take_turn(Host& host);
  void schedule_turn(Host& host);
  Endpoint fresh_address(bool v6);
  int owner_of(const Endpoint& at) const;
  void note(std::uint64_t what, int host, std::span<const std::uint8_t> bytes);

  Options options_;
  std::vector<std::unique_ptr<Host>> hosts_;
  std::vector<std::pair<Endpoint, int>> addresses_;  // all there ever were
  std::uint32_t next_address_ = 1;
  std::uint64_t next_datagram_ = 1;
  std::uint64_t next_seed_;
  Duration dark_until_{};
  std::vector<WireDatagram> recent_;  // of authentic transport data
  std::optional<WireDatagram> held_back_;
  bool holding_ = false;
  std::uint64_t trace_hash_ = 0xcbf29ce484222325;
};

}  // namespace hawser::testing
