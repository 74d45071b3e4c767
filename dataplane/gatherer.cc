#include "dataplane/gatherer.h"

#include <span>

namespace hawser {

void Gatherer::add(Peer& to, const SealItem& item, const Batch& batch) {
  if (num_ == items_.size()) flush(batch);
  mixed_ = num_ > 0 && (mixed_ || peers_[0] != &to);
  peers_[num_] = &to;
  items_[num_++] = item;
  len_ += item.datagram_len();
}

bool Gatherer::has_room(const Peer& to, std::size_t num, std::size_t len) const {
  return num_ == 0 || (!mixed_ && peers_[0] == &to && num_ + num <= items_.size() &&
                       len_ + len <= kMaxUdpPayload);
}

void Gatherer::flush(const Batch& batch) {
  if (num_ == 0) return;
  if (mixed_) {
    flush_mixed(batch);
  } else {
    sealer_.dispatch(*peers_[0], std::span(items_).first(num_), batch);
  }
  num_ = 0;
  len_ = 0;
}

// Peer by peer, in the order of their first packets. At most as many turns as there are packets.
void Gatherer::flush_mixed(const Batch& batch) {
  std::array<SealItem, kMaxTrainSegments> train;
  for (std::size_t first = 0; first < num_; ++first) {
    Peer* const to = peers_[first];
    if (to == nullptr) continue;
    std::size_t num = 0;
    for (std::size_t i = first; i < num_; ++i) {
      if (peers_[i] != to) continue;
      train[num++] = items_[i];
      peers_[i] = nullptr;
    }
    sealer_.dispatch(*to, std::span(train).first(num), batch);
  }
}

}  // namespace hawser
