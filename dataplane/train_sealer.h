#pragma once
#include <array>
#include <cstdint>
#include <span>

#include "base/time.h"
#include "dataplane/device_state.h"
#include "dataplane/train.h"
#include "noise/aead.h"

namespace hawser {

// One inner packet laid out as a transport message: 16 bytes of header room, the packet, zero
// padding up to plain_len, 16 bytes of room for the tag.
struct SealItem {
  std::uint8_t* datagram = nullptr;
  std::uint32_t packet_len = 0;  // without padding; 0: keepalive
  std::uint32_t plain_len = 0;   // with padding
  std::uint8_t outer_traffic_class = 0;

  std::uint8_t* packet() const { return datagram + sizeof(TransportHeader); }
  std::uint32_t datagram_len() const {
    return plain_len + static_cast<std::uint32_t>(kTransportOverhead);
  }
};

// The longest inner packet that a datagram can hold, whatever the interface's MTU is.
inline constexpr std::uint32_t kMaxInnerPacketLen = kMaxUdpPayload - kTransportOverhead;

// Padding on send: zeros to a multiple of 16, capped at the MTU (paper §5.4.6) and at what a
// datagram holds.
std::uint32_t padded_len(std::uint32_t packet_len, std::uint32_t mtu);

// TrainSealer sends inner packets to a peer: sealed at once when there is a session and nothing is
// staged before them, staged otherwise. One for each packet path and one for the handshake thread;
// used inside a reader section. Allocates nothing.
class TrainSealer {
 public:
  TrainSealer(DeviceState& state, Aead& aead, PathCounters& counters)
      : state_(state), aead_(aead), counters_(counters) {}

  // Packets for one peer, in order. All memory belongs to `out` or to the batch that came in.
  void dispatch(Peer& peer, std::span<const SealItem> items, const Now& now, OutBatch& out);

  // Seals staged packets as far as session and `out` allow.
  void flush_staged(Peer& peer, const Now& now, OutBatch& out);

  // An empty packet, when there is a session; false otherwise.
  bool send_keepalive(Peer& peer, const Now& now, OutBatch& out);

  // Something was put on the attention list or the handshake queue: wake its reader at the end of
  // the batch.
  void ask_attention(Peer& peer, std::uint32_t flags) {
    if (state_.attention.push(peer, flags)) wake_needed_ = true;
  }
  void request_wake() { wake_needed_ = true; }
  bool take_wake() { return std::exchange(wake_needed_, false); }

  // A handshake is needed and none is under way.
  void want_handshake(Peer& peer) {
    if (!peer.timers.handshake_under_way()) ask_attention(peer, kWantHandshake);
  }

 private:
  void seal_and_send(Peer& peer, const Keypair& keypair, std::uint64_t first_counter,
                     std::span<const SealItem> items, const Now& now, OutBatch& out);
  void add_trains(Peer& peer, const Endpoint& to, std::span<const SealItem> items, OutBatch& out);
  void stage(Peer& peer, std::span<const SealItem> items);
  void after_sending(Peer& peer, const Keypair& keypair, std::span<const SealItem> items,
                     const Now& now);
  std::uint32_t take_staged(Peer& peer, const Now& now, OutBatch& out,
                            std::array<SealItem, kMaxTrainSegments>& items,
                            std::uint64_t& first_counter, Keypair*& keypair);

  DeviceState& state_;
  Aead& aead_;
  PathCounters& counters_;
  bool wake_needed_ = false;
  std::array<AeadJob, kMaxTrainSegments> jobs_;
};

// What a failed or bent send means for its peer; the packet paths' and the handshake thread's
// observers say the same.
void note_udp_outcome(DeviceState& state, TrainSealer& sealer, const UdpSend& send,
                      const UdpOutcome& outcome);

}  // namespace hawser
