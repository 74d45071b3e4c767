#pragma once
// Packets that leave together. Internal to dataplane/.
#include <array>
#include <cstddef>

#include "dataplane/seal_item.h"
#include "dataplane/train.h"
#include "dataplane/train_sealer.h"

namespace hawser {

// Gatherer holds packets until a train is full or its user flushes, and then sends each peer's
// together. Order changes only between peers. Allocates nothing; one thread's.
class Gatherer {
 public:
  explicit Gatherer(TrainSealer& sealer) : sealer_(sealer) {}

  void add(Peer& to, const SealItem& item, const Batch& batch);
  // Sends what is there. Before anything else goes to a peer, and at the end.
  void flush(const Batch& batch);
  // Is all that is there for this peer, and would so many datagrams, of so many bytes together,
  // leave with it in one train?
  bool has_room(const Peer& to, std::size_t num, std::size_t len) const;

 private:
  void flush_mixed(const Batch& batch);

  TrainSealer& sealer_;
  std::size_t num_ = 0;
  std::size_t len_ = 0;  // of all datagrams
  bool mixed_ = false;   // more than one peer among them
  std::array<SealItem, kMaxTrainSegments> items_;
  std::array<Peer*, kMaxTrainSegments> peers_;  // whose items_[i] is; null: taken
};

}  // namespace hawser
