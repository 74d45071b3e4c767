// Anything inside a tunnel: what a peer sealed, through router, relay, ICMP and coalescer; and what
// TUN delivers with its offload header, through segmenter and sender.
#include <array>
#include <utility>

#include "tests/fuzz/checks.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/shared.h"

namespace hawser::testing {
namespace {

constexpr int kMaxPackets = 3;
constexpr int kRunsPerTurn = 64;  // of the handshake thread, which has no share in this

DeviceOptions options_from(std::uint8_t bits) {
  DeviceOptions options = Hub::direct();
  options.forward = static_cast<ForwardMode>(bits % 3);
  options.has_tun = bits / 3 % 2 == 0;
  if (bits / 6 != 0) options.own_addresses.clear();
  return options;
}

// One for each set of options.
Shared<Hub>& hub_from(FuzzInput& input) {
  static std::array<Shared<Hub>*, 12> hubs{};
  const std::uint8_t bits = input.u8() % 12;
  Shared<Hub>*& shared = hubs[bits];
  if (shared == nullptr) shared = new Shared<Hub>(kRunsPerTurn, options_from(bits));
  shared->begin_run();
  return *shared;
}

// What the hub sends is opened by whom it is for.
void carry(Hub& hub) {
  for (const Datagram& datagram : std::exchange(hub.hub.sent, {})) {
    Node& peer = datagram.remote.same_remote(hub.at_a) ? hub.a : hub.b;
    peer.receive({datagram.bytes, hub.at_hub, datagram.traffic_class});
  }
}

// Fuzzed bytes seldom have the addresses that lead on; put them there on demand.
void aim(Packet& packet, std::uint8_t how) {
  if (packet.empty() || (how & 1) == 0) return;
  const bool v4 = packet[0] >> 4 == 4;
  const std::size_t source_at = v4 ? 12 : 8;
  const std::size_t len = v4 ? 4 : 16;
  if (packet.size() < source_at + 2 * len) return;
  const IpAddress from = address(v4 ? "10.0.0.2" : "fd00::2");
  const char* const to4[] = {"10.0.0.3", "10.0.0.1", "10.0.0.2", "10.77.0.1"};
  const char* const to6[] = {"fd00::3", "fd00::1", "fd00::2", "fd77::1"};
  const IpAddress to = address((v4 ? to4 : to6)[(how >> 1) % 4]);
  const auto at = packet.begin() + static_cast<std::ptrdiff_t>(source_at);
  std::copy_n(from.bytes.begin(), len, at);
  std::copy_n(to.bytes.begin(), len, at + static_cast<std::ptrdiff_t>(len));
}

void from_peer(Shared<Hub>& shared, FuzzInput& input) {
  const std::uint8_t how = input.u8();
  const std::uint8_t traffic_class = input.u8();
  Packet plain = input.bytes(input.u16() % 4096);
  aim(plain, how);
  Hub& hub = shared.bed;
  Packet train;
  std::size_t segment_len = 0;
  for (int copies = (how >> 3) % 5; copies >= 0; --copies) {
    const Packet datagram = seal_as(hub.a, plain, ++shared.counter);
    segment_len = datagram.size();
    train.insert(train.end(), datagram.begin(), datagram.end());
  }
  if (train.empty()) return;
  hub.hub.receive_buffer(std::move(train), static_cast<std::uint32_t>(segment_len), hub.at_a,
                         traffic_class);
}

void from_tun(Hub& hub, FuzzInput& input) {
  const std::uint8_t how = input.u8();
  TunOffload offload;
  offload.gso = static_cast<TunOffload::Gso>(how % 4);
  offload.needs_checksum = (how & 4) != 0;
  offload.ecn = (how & 8) != 0;
  offload.header_len = input.u8();
  offload.segment_payload = input.u16();
  offload.csum_start = input.u8();
  offload.csum_offset = input.u8() % 32;
  Packet packet = input.bytes(input.u16());
  aim(packet, static_cast<std::uint8_t>(how >> 4));
  if (!packet.empty()) hub.hub.send_tun(packet, offload);
}

}  // namespace
}  // namespace hawser::testing

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hawser::testing;
  make_failures_fatal();
  FuzzInput input(data, size);
  Shared<Hub>& shared = hub_from(input);
  Hub& hub = shared.bed;
  hub.hub.device().set_mtu(std::uint32_t{576} + input.u16() % 3000);
  for (int i = 0; i < kMaxPackets && !input.empty(); ++i) {
    if ((input.u8() & 1) == 0) {
      from_peer(shared, input);
    } else {
      from_tun(hub, input);
    }
    check_output(hub.hub);
    carry(hub);
    check_output(hub.a);
    check_output(hub.b);
  }
  return 0;
}
