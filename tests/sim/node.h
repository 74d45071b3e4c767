#pragma once
// A Device with everything that the daemon puts around it, in memory and on virtual time.
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "dataplane/device.h"
#include "dataplane/packet_path.h"
#include "noise/aead.h"
#include "tests/sim/inner_packet.h"
#include "tests/sim/seeded_random.h"

namespace hawser::testing {

// A datagram as it leaves a node or arrives at one.
struct Datagram {
  Packet bytes;
  Endpoint remote;  // to whom, or from whom
  std::uint8_t traffic_class = 0;
};

// TimestampStore in memory; outlives the restarts of a node.
class MemoryTimestampStore : public TimestampStore {
 public:
  std::optional<WallTime> load(const PublicKey& identity) override;
  bool reserve(const PublicKey& identity, const WallTime& until) override;

 private:
  std::map<PublicKey, WallTime> reserved_;
};

// Node runs one packet path and the handshake thread's turns, one after another, on the caller's
// thread. What it sends and writes to TUN piles up in `sent` and `to_tun` until the caller takes
// it.
class Node {
 public:
  Node(const DeviceOptions& options, const PrivateKey& key, std::uint64_t seed,
       TunFeatures features = {}, TimestampStore* store = nullptr);

  Device& device() { return *device_; }
  const PublicKey& public_key() const { return public_key_; }

  // From now on packets go through another AEAD.
  void use_aead(std::unique_ptr<Aead> aead);

  void set_now(const Now& now) { now_ = now; }
  const Now& now() const { return now_; }
  DeviceView view() { return device_->view(now_.boot); }

  // One worker turn over these trains; each is a list of datagrams that arrive as one GRO train
  // (equal lengths, the last may be shorter; one remote).
  void receive_trains(const std::vector<std::vector<Datagram>>& trains);
  void receive(const Datagram& datagram) { receive_trains({{datagram}}); }
  // The same over one train as it lies in its buffer: any bytes, cut after each `segment_len`.
  void receive_buffer(Packet bytes, std::uint32_t segment_len, const Endpoint& remote,
                      std::uint8_t traffic_class = 0);
  // One worker turn over these packets, as a TUN read without offloads delivers them.
  void send(const std::vector<Packet>& packets);
  void send(const Packet& packet) { send(std::vector<Packet>{packet}); }
  void send_tun(const Packet& packet, const TunOffload& offload);
  // The handshake thread's turns until nothing is left to do at once.
  void run_handshakes();
  // Has the waker been called since the last run_handshakes()?
  bool woken() const { return woken_; }
  // When the handshake thread wants to run next by itself.
  std::optional<Instant> next_deadline() const { return next_deadline_; }

  void apply(DeviceChange change);

  std::vector<Datagram> sent;
  std::vector<Packet> to_tun;    // one IP packet each; super-packets are cut
  std::vector<TunWrite> writes;  // as they were made; slices are gone
  std::vector<std::string> log;
  // What becomes of each send; none: it succeeds.
  std::function<UdpOutcome(const UdpSend&)> send_result;
  std::function<int(const TunWrite&)> tun_result;

 private:
  void receive_now(std::span<const ReceivedTrain> trains);
  void collect(OutBatch& out);
  void collect_udp(OutBatch& out);
  void collect_tun(OutBatch& out);

  SeededRandom random_;
  PublicKey public_key_;
  std::unique_ptr<Device> device_;
  TunFeatures features_;
  std::unique_ptr<PacketPath> path_;
  Now now_;
  bool woken_ = false;
  std::optional<Instant> next_deadline_;
};

PrivateKey make_private_key(std::uint64_t seed);

// Sums over the device and all of its peers.
std::uint64_t total_drops(Device& device, DropReason reason);
std::uint64_t total_drops(Device& device);

// Seals any bytes as transport data on the current session of `sender`'s first peer.
Packet seal_as(Node& sender, const Packet& plain, std::uint64_t counter);
// Opens transport data with `receiver`'s keys; empty when it does not open.
Packet open_as(Node& receiver, const Packet& datagram);

// The commonest peer change: allowed IPs, and where it is.
PeerChange peer_change(const PublicKey& key, const std::vector<Prefix>& allowed_ips,
                       const std::optional<Endpoint>& endpoint = std::nullopt);
Endpoint endpoint(const char* address_text, std::uint16_t port);

}  // namespace hawser::testing
