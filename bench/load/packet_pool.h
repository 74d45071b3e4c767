#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "bench/load/inner_packet.h"
#include "bench/load/peer_group.h"
#include "noise/aead.h"

namespace hawser::load {

// How long the inner packets are: one length, or a mix.
struct PacketSizes {
  std::vector<std::size_t> lens;
  std::vector<unsigned> weights;

  // "128", or "imix": 64, 576 and 1,420 bytes, 7 : 4 : 1 (the common simple mix, with the tunnel's
  // MTU for the largest).
  static Result<PacketSizes> parse(const std::string& text);
};

struct PoolShape {
  IpFamily family = IpFamily::kV4;
  PacketSizes sizes;
  bool singles = false;              // no trains: each packet is a send of its own
  std::uint32_t train_segments = 0;  // at most, 1 … 64
  std::size_t memory = 0;            // bytes that the sealed packets take
};

// Train is one GSO send: packets of one pair, equal on the wire but for a shorter last one.
struct Train {
  std::size_t offset = 0;         // in the pool's memory
  std::uint32_t len = 0;          // bytes
  std::uint32_t segment_len = 0;  // = len for a single
  std::uint32_t num = 0;          // packets
  std::uint32_t first = 0;        // index of its first packet
  std::uint32_t pair = 0;
};

// PacketPool holds sealed packets, ready to be sent once. seal() makes them anew, with fresh
// counters and fresh numbers. The layout (pairs take turns of a train or train_segments packets)
// stays.
class PacketPool {
 public:
  PacketPool(const PoolShape& shape, PeerGroup& peers);

  Status seal(Aead& aead);

  std::span<const Train> trains() const { return trains_; }
  std::uint8_t* data(const Train& train) const { return memory_.get() + train.offset; }
  std::size_t num_packets() const { return packets_.size(); }
  double mean_inner_len() const { return mean_inner_len_; }
  double mean_wire_len() const { return mean_wire_len_; }
  double mean_train() const;

  // Is `packet`, as opened by the receiver of `pair`, one of the present seal()? `index` tells
  // which, when the answer is kNone.
  InnerFault check(std::span<const std::uint8_t> packet, std::size_t pair,
                   std::uint32_t& index) const;
  // Numbers only ever grow, over all seals.
  std::uint64_t number_of(std::uint32_t index) const { return first_number_ + index; }
  // The train that packet `index` went out with.
  std::uint32_t train_of(std::uint32_t index) const { return packets_[index].train; }

 private:
  struct Packet {
    std::uint32_t pair;
    std::uint32_t train;
    std::uint16_t size_index;
  };

  void lay_out(const PoolShape& shape, std::size_t num_pairs);
  void append(const PoolShape& shape, std::uint32_t pair, std::uint16_t size_index, bool joins);
  const InnerPacket& inner(const Packet& packet) const {
    return inner_[packet.pair * num_sizes_ + packet.size_index];
  }

  PeerGroup& peers_;
  std::size_t num_sizes_;
  IpFamily family_;
  std::vector<InnerPacket> inner_;  // pairs × sizes
  std::vector<Packet> packets_;
  std::vector<Train> trains_;
  std::unique_ptr<std::uint8_t[]> memory_;
  std::size_t used_ = 0;
  double mean_inner_len_ = 0;
  double mean_wire_len_ = 0;
  std::uint64_t first_number_ = 0;
};

}  // namespace hawser::load
