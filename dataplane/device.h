#pragma once
// Device is the WireGuard router without its edges: peers, sessions, allowed IPs, handshakes and
// timers. No I/O, no clock: `now` and randomness are handed in.
//
// Threads: any number of workers, each with a PacketPath (dataplane/packet_path.h); one handshake
// thread (run_handshakes); any number of control threads (the rest of the public members, which
// lock). Workers never wait for the others.
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/log_sink.h"
#include "base/quiescent.h"
#include "base/random_source.h"
#include "base/result.h"
#include "base/time.h"
#include "dataplane/change.h"
#include "dataplane/host_routes.h"
#include "dataplane/train.h"
#include "dataplane/view.h"
#include "noise/constants.h"
#include "noise/timestamp_guard.h"

namespace hawser {

// What happens to a packet from a peer that is not for us.
enum class ForwardMode : std::uint8_t {
  kKernel,  // everything goes to TUN; the host's forwarding and firewall decide
  kDirect,  // what belongs to another peer is relayed in the process; the rest goes to TUN
  kNone,    // only packets for our own addresses are taken
};

struct DeviceOptions {
  ForwardMode forward = ForwardMode::kKernel;
  bool has_tun = true;                   // false: a forwarder that answers echo requests itself
  std::vector<IpAddress> own_addresses;  // given by the operator (--address), besides the host's
  std::uint32_t mtu = kDefaultMtu;
};

// What the handshake thread is to do next.
struct HandshakeTurn {
  bool more = false;                     // call again at once: work is left
  std::optional<Instant> next_deadline;  // else sleep until then, or until woken
};

struct WorkerState;

class Device {
 public:
  // `random` and `store` (may be null) outlive the device. `random` is used under the device's lock
  // only. Starts up (see set_up).
  Device(DeviceOptions options, RandomSource& random, LogSink log = {},
         TimestampStore* store = nullptr);
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  // Called when the handshake thread has something to do before its deadline. From any thread,
  // packet paths included: cheap, does not block. Set before the workers start.
  void set_handshake_waker(std::function<void()> waker);

  // --- control ---

  // Applies all of `change`, or nothing and says why (errno in Error::code). Unchanged values are
  // no-ops: sessions go on, and an unchanged allowed IP is never absent.
  Status apply(DeviceChange change, const Now& now);

  // As it is at `now`: sessions end with time.
  DeviceView view(Instant now) const;
  // One peer alone; nullopt: there is none with this key.
  std::optional<PeerView> view_peer(const PublicKey& key, Instant now) const;
  DeviceCounters counters() const;
  std::uint32_t mtu() const;
  void set_mtu(std::uint32_t mtu);
  // Down: sessions and timers are cleared, packets in either direction dropped. Up: staged packets
  // go out, and a keepalive where a persistent keepalive is set.
  void set_up(bool up, const Now& now);
  // Does not take the device's lock; one thread's at a time, in the order of what is told.
  void set_host_routes(const HostRoutes& routes);
  // Tells every peer of the overlay that this controller will stop; they turn to another one. What
  // still comes is forwarded, so the caller lets some time pass before it ends.
  void say_goodbye();
  // Forget every sticky source (the sockets changed).
  void forget_sources();
  // Forget the sticky sources that use this local address or interface, which is gone.
  void forget_source(const IpAddress& gone);

  // --- handshake thread ---

  // Consumes queued handshake messages, looks after the peers that workers asked for, fires due
  // timers, frees what is retired. What is to be sent goes into the batch.
  HandshakeTurn run_handshakes(const Batch& batch);
  // The turn is over: its batch was submitted, or held nothing. Before the next one.
  void end_turn(const OutBatch& submitted);

  // Messages that wait for run_handshakes(). Any thread.
  std::size_t num_queued_handshakes() const;

 private:
  friend class PacketPath;
  friend struct DeviceInspector;
  WorkerState& worker_state();

  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace hawser
