#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "bench/load/inner_packet.h"
#include "bench/micro/counting_random.h"
#include "dataplane/device.h"
#include "dataplane/packet_path.h"
#include "noise/aead.h"
#include "noise/keypair.h"

namespace hawser::bench {

// RelayLab is a controller in memory (a Device that forwards directly, and one packet path) with
// two peers, connected. It makes trains from the first to the second, and lets the controller relay
// them, `trains_per_turn` in one turn of the worker.
class RelayLab {
 public:
  RelayLab(AeadKind kind, IpFamily family, std::size_t inner_len, std::uint32_t segments_per_train,
           std::size_t trains_per_turn, std::size_t num_turns);

  // Did the handshakes come to their end?
  bool connected() const { return sender_ != nullptr && receiver_ != nullptr; }
  // Seals all trains anew.
  void seal();
  // The worker's turns over all trains.
  void relay();
  // Did the first train of the last turn leave as one, does its first packet open, and is it what
  // was sent?
  bool check();

 private:
  std::unique_ptr<Keypair> connect(std::size_t i);
  ReceivedTrain arrival(std::span<std::uint8_t> bytes, std::size_t peer) const;

  std::size_t inner_len_;
  std::uint32_t segments_;
  std::size_t trains_per_turn_;
  load::InnerPacket inner_;
  CountingRandom random_;
  Device device_;
  std::unique_ptr<Aead> aead_;
  PacketPath path_;
  OutBatch out_;
  std::unique_ptr<Keypair> sender_;
  std::unique_ptr<Keypair> receiver_;
  std::vector<std::vector<std::uint8_t>> buffers_;
  std::vector<ReceivedTrain> trains_;
};

}  // namespace hawser::bench
