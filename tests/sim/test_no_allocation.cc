// Nothing on a packet path allocates once it runs. An executable of its own, because it replaces
// operator new.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <vector>

#include "dataplane/packet_path.h"
#include "noise/messages.h"
#include "tests/dataplane/pair.h"

namespace {

std::atomic<bool> counting{false};
std::atomic<std::uint64_t> allocations{0};

void* allocate(std::size_t size) {
  if (counting.load(std::memory_order_relaxed)) ++allocations;
  if (void* const memory = std::malloc(size == 0 ? 1 : size)) return memory;
  std::abort();
}

}  // namespace

void* operator new(std::size_t size) { return allocate(size); }
void* operator new[](std::size_t size) { return allocate(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace hawser::testing {
namespace {

// Counts what happens between construction and num().
class AllocationCount {
 public:
  AllocationCount() {
    allocations = 0;
    counting = true;
  }
  ~AllocationCount() { counting = false; }
  std::uint64_t num() const {
    counting = false;
    return allocations.load();
  }
};

// A controller that relays between two peers of its own making, without the testbed's copies.
class SteadyRelay {
 public:
  SteadyRelay() : hub(options(), make_private_key(1), 1), a(peer()), b(peer()) {
    for (Node* node : {&hub, a.get(), b.get()}) node->set_now(kStart);
    join(*a, "10.0.0.2/32");
    join(*b, "10.0.0.3/32");
    path = std::make_unique<PacketPath>(hub.device(), make_aead(AeadKind::kBoringSsl),
                                        TunFeatures{true, true});
    a->send(make_echo_request(address("10.0.0.2"), address("10.0.0.1"), 1));
    deliver();
    b->send(make_echo_request(address("10.0.0.3"), address("10.0.0.1"), 1));
    deliver();
  }
  static DeviceOptions options() {
    DeviceOptions hub_options;
    hub_options.forward = ForwardMode::kDirect;
    hub_options.own_addresses = {address("10.0.0.1")};
    return hub_options;
  }
  std::unique_ptr<Node> peer() {
    ++keys;
    return std::make_unique<Node>(DeviceOptions{}, make_private_key(keys), keys);
  }
  void join(Node& node, const char* allowed) {
    DeviceChange change;
    change.peers.push_back(peer_change(node.public_key(), {prefix(allowed)}));
    hub.apply(std::move(change));
    DeviceChange its;
    its.peers.push_back(
        peer_change(hub.public_key(), {prefix("0.0.0.0/0")}, endpoint("192.0.2.1", 1)));
    node.apply(std::move(its));
  }
  Endpoint at(const Node& node) const { return endpoint("192.0.2.2", &node == a.get() ? 2 : 3); }
  void deliver() {
    for (int round = 0; round < 6; ++round) {
      for (Node* node : {&hub, a.get(), b.get()}) node->run_handshakes();
      for (Node* node : {a.get(), b.get()}) {
        for (const Datagram& d : std::exchange(node->sent, {})) {
          hub.receive({d.bytes, at(*node), 0});
        }
      }
      for (const Datagram& d : std::exchange(hub.sent, {})) {
        (d.remote.port == 2 ? *a : *b).receive({d.bytes, endpoint("192.0.2.1", 1), 0});
      }
    }
  }
  // A train from a, laid out as the engine would.
  Packet train_to(const char* destination, int num) {
    std::vector<Packet> packets;
    for (int i = 0; i < num; ++i) {
      packets.push_back(make_packet({.source = address("10.0.0.2"),
                                     .destination = address(destination),
                                     .id = static_cast<std::uint64_t>(i),
                                     .payload_len = 900}));
    }
    a->send(packets);
    Packet whole;
    for (const Datagram& d : std::exchange(a->sent, {})) {
      segment_len = static_cast<std::uint32_t>(d.bytes.size());
      whole.insert(whole.end(), d.bytes.begin(), d.bytes.end());
    }
    return whole;
  }
  ReceivedTrain received(Packet& bytes) {
    return {.data = bytes.data(),
            .len = static_cast<std::uint32_t>(bytes.size()),
            .segment_len = segment_len,
            .remote = at(*a)};
  }

  std::uint64_t keys = 1;
  Node hub;
  std::unique_ptr<Node> a;
  std::unique_ptr<Node> b;
  std::unique_ptr<PacketPath> path;
  OutBatch out;
  std::uint32_t segment_len = 0;
};

TEST(NoAllocation, RelayLocalDeliveryAndSendingInASteadyState) {
  SteadyRelay relay;
  for (int round = 0; round < 3; ++round) {
    Packet relayed = relay.train_to("10.0.0.3", 40);
    Packet local = relay.train_to("10.0.0.1", 40);
    Packet dying = relay.train_to("10.0.0.9", 5);
    const std::array<ReceivedTrain, 3> trains = {relay.received(relayed), relay.received(local),
                                                 relay.received(dying)};
    Packet from_tun = make_packet({.source = address("10.0.0.1"),
                                   .destination = address("10.0.0.3"),
                                   .id = 9,
                                   .payload_len = 700});
    const TunPacket read{from_tun.data(), static_cast<std::uint32_t>(from_tun.size()), {}};
    relay.out.clear();
    const AllocationCount count;
    relay.path->begin();
    relay.path->receive(trains, {kStart, relay.out});
    relay.path->send({&read, 1}, {kStart, relay.out});
    const std::uint64_t during = count.num();
    EXPECT_GE(relay.out.udp().size(), 2U);
    EXPECT_GE(relay.out.tun().size(), 1U);
    relay.path->end(relay.out);
    EXPECT_EQ(during, 0U);
  }
}

TEST(NoAllocation, HostileDatagramsAndStagedPackets) {
  SteadyRelay relay;
  relay.hub.device().set_up(false, kStart);
  relay.hub.device().set_up(true, kStart);  // no sessions: what is sent is staged
  SeededRandom random(1);
  Packet garbage(60'000);
  random.fill(garbage);
  for (std::size_t at = 0; at + 100 <= garbage.size(); at += 100) {
    garbage[at] = static_cast<std::uint8_t>(1 + at / 100 % 4);
    garbage[at + 1] = garbage[at + 2] = garbage[at + 3] = 0;
  }
  Packet from_tun = make_packet({.source = address("10.0.0.1"),
                                 .destination = address("10.0.0.3"),
                                 .id = 9,
                                 .payload_len = 700});
  for (const std::uint32_t segment : {92U, 100U, 148U, 64U, 1000U}) {
    relay.segment_len = segment;
    const ReceivedTrain train = relay.received(garbage);
    const TunPacket read{from_tun.data(), static_cast<std::uint32_t>(from_tun.size()), {}};
    relay.out.clear();
    const AllocationCount count;
    relay.path->begin();
    relay.path->receive({&train, 1}, {kStart, relay.out});
    for (int i = 0; i < 200; ++i) relay.path->send({&read, 1}, {kStart, relay.out});
    EXPECT_EQ(count.num(), 0U);
    relay.path->end(relay.out);
  }
}

}  // namespace
}  // namespace hawser::testing
