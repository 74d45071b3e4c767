#pragma once
#include <array>
#include <atomic>
#include <mutex>
#include <optional>

#include "noise/keypair.h"

namespace hawser {

// Sessions is a peer's three keypairs: current (we send on it), previous (still received on), next
// (made as responder, waiting for the initiator's first transport packet). Readers load pointers
// inside a quiescent-state reader section; every change returns the keypairs that fell out, for the
// caller to take from the session table and retire. Changes from any thread.
class Sessions {
 public:
  struct Removed {
    std::array<Keypair*, 4> keypairs{};
    unsigned num = 0;
    void add(Keypair* keypair) {
      if (keypair != nullptr) keypairs[num++] = keypair;
    }
  };

  Keypair* current() const { return current_.load(std::memory_order_acquire); }
  Keypair* previous() const { return previous_.load(std::memory_order_acquire); }
  Keypair* next() const { return next_.load(std::memory_order_acquire); }

  // As initiator: the new one becomes current; the old current (or an unconfirmed next) previous.
  Removed install_as_initiator(Keypair* keypair);
  // As responder: the new one waits as next.
  Removed install_as_responder(Keypair* keypair);
  // The first authenticated transport packet came on `keypair`. True if it was next, and is current
  // now.
  bool confirm(Keypair* keypair, Removed& removed);
  Removed clear();
  // Only what these static keys of the peer made stays.
  Removed keep(const PublicKey& present, const std::optional<PublicKey>& next);
  bool empty() const { return !current() && !previous() && !next(); }
  // After a change of the private key: receive only.
  void stop_sending();

 private:
  std::mutex mutex_;
  std::atomic<Keypair*> current_{nullptr};
  std::atomic<Keypair*> previous_{nullptr};
  std::atomic<Keypair*> next_{nullptr};
};

}  // namespace hawser
