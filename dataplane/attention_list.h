#pragma once
#include <atomic>
#include <cstdint>

#include "dataplane/peer.h"

namespace hawser {

// AttentionList is how workers hand peers to the handshake thread: an intrusive stack, each peer on
// it at most once. push() from any thread inside a reader section; take_all() from one thread.
class AttentionList {
 public:
  // True when the list's reader should be woken: the peer was not on the list yet.
  bool push(Peer& peer, std::uint32_t flags) {
    if (peer.attention.fetch_or(flags, std::memory_order_acq_rel) != 0) return false;
    Peer* head = head_.load(std::memory_order_relaxed);
    do {
      peer.attention_next = head;
    } while (!head_.compare_exchange_weak(head, &peer, std::memory_order_release,
                                          std::memory_order_relaxed));
    return true;
  }

  bool empty() const { return head_.load(std::memory_order_relaxed) == nullptr; }

  // Calls visit(peer, flags) for each peer, oldest first. A peer may be pushed again meanwhile.
  template <class Visit>
  void take_all(Visit visit) {
    Peer* reversed = nullptr;
    for (Peer* peer = head_.exchange(nullptr, std::memory_order_acquire); peer != nullptr;) {
      Peer* const next = peer->attention_next;
      peer->attention_next = reversed;
      reversed = peer;
      peer = next;
    }
    while (reversed != nullptr) {
      Peer& peer = *reversed;
      // Read before the flags are cleared: from then on the peer may be pushed again.
      reversed = peer.attention_next;
      visit(peer, peer.attention.exchange(0, std::memory_order_acq_rel));
    }
  }

 private:
  std::atomic<Peer*> head_{nullptr};
};

}  // namespace hawser
