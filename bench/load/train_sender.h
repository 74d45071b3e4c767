#pragma once
#include <cstdint>
#include <memory>
#include <span>

#include "base/result.h"
#include "bench/load/packet_pool.h"
#include "bench/load/peer_group.h"

namespace hawser::load {

inline constexpr std::size_t kMaxTrainsPerSend = 64;

// TrainSender sends the pool's trains, several of one pair with one system call.
class TrainSender {
 public:
  TrainSender(PeerGroup& peers, const PacketPool& pool);
  ~TrainSender();

  // All of `trains` (at most kMaxTrainsPerSend, all of one pair). Waits for buffer space.
  Status send(std::span<const Train> trains);

  std::uint64_t calls() const { return calls_; }

 private:
  struct Messages;

  PeerGroup& peers_;
  const PacketPool& pool_;
  std::unique_ptr<Messages> messages_;
  std::uint64_t calls_ = 0;
};

}  // namespace hawser::load
