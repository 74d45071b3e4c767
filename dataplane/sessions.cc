#include "dataplane/sessions.h"

namespace hawser {

Sessions::Removed Sessions::install_as_initiator(Keypair* keypair) {
  Removed removed;
  const std::lock_guard lock(mutex_);
  removed.add(previous_.load());
  Keypair* const waiting = next_.load();
  if (waiting != nullptr) {
    // Both sides initiated, and the peer may already send on what we made as responder: it must
    // still be received on.
    removed.add(current_.load());
    previous_.store(waiting, std::memory_order_release);
    next_.store(nullptr, std::memory_order_release);
  } else {
    previous_.store(current_.load(), std::memory_order_release);
  }
  current_.store(keypair, std::memory_order_release);
  return removed;
}

Sessions::Removed Sessions::install_as_responder(Keypair* keypair) {
  Removed removed;
  const std::lock_guard lock(mutex_);
  removed.add(next_.load());
  removed.add(previous_.load());
  previous_.store(nullptr, std::memory_order_release);
  next_.store(keypair, std::memory_order_release);
  return removed;
}

bool Sessions::confirm(Keypair* keypair, Removed& removed) {
  if (next() != keypair) return false;
  const std::lock_guard lock(mutex_);
  if (next_.load() != keypair) return false;
  removed.add(previous_.load());
  previous_.store(current_.load(), std::memory_order_release);
  current_.store(keypair, std::memory_order_release);
  next_.store(nullptr, std::memory_order_release);
  return true;
}

Sessions::Removed Sessions::clear() {
  Removed removed;
  const std::lock_guard lock(mutex_);
  removed.add(current_.exchange(nullptr));
  removed.add(previous_.exchange(nullptr));
  removed.add(next_.exchange(nullptr));
  return removed;
}

Sessions::Removed Sessions::keep(const PublicKey& present, const std::optional<PublicKey>& next) {
  Removed removed;
  const std::lock_guard lock(mutex_);
  for (std::atomic<Keypair*>* const place : {&current_, &previous_, &next_}) {
    Keypair* const keypair = place->load();
    if (keypair == nullptr || keypair->remote_key_mark == Keypair::mark_of(present)) continue;
    if (next && keypair->remote_key_mark == Keypair::mark_of(*next)) continue;
    removed.add(place->exchange(nullptr));
  }
  return removed;
}

void Sessions::stop_sending() {
  const std::lock_guard lock(mutex_);
  for (Keypair* keypair : {current_.load(), next_.load()}) {
    if (keypair != nullptr) keypair->may_send.store(false, std::memory_order_relaxed);
  }
}

}  // namespace hawser
