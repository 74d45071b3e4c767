#pragma once
#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>

#include "base/time.h"
#include "base/wire.h"
#include "noise/handshake.h"
#include "noise/keys.h"
#include "noise/replay_window.h"

namespace hawser {

// Keypair is one session: two one-way keys with their counters. Immutable but for the send counter
// (reserved with one fetch_add a train, by any thread) and the replay window (its lock is taken
// once a train).
class Keypair {
 public:
  Keypair(SessionKeys keys, Instant created, void* peer)
      : local_index(keys.local_index),
        remote_index(keys.remote_index),
        is_initiator(keys.is_initiator),
        remote_key_mark(mark_of(keys.remote_static)),
        created_at(created),
        owner(peer),
        send_key_(std::move(keys.send)),
        receive_key_(std::move(keys.receive)) {}

  const std::uint32_t local_index;
  const std::uint32_t remote_index;
  const bool is_initiator;
  // Tells which of its static keys the peer showed. A mark and not the key, as there is a keypair
  // or two for each of a million peers; a peer has two keys at most.
  const std::uint32_t remote_key_mark;
  const Instant created_at;
  void* const owner;  // the peer; opaque here

  static std::uint32_t mark_of(const PublicKey& key) { return load_le32(key.bytes.data()); }

  const TransportKey& send_key() const { return send_key_; }
  const TransportKey& receive_key() const { return receive_key_; }

  bool expired(Instant now) const { return now - created_at >= kRejectAfterTime; }

  // Reserves `num` consecutive counters and returns the first; nullopt when any of them would reach
  // REJECT_AFTER_MESSAGES or the keypair is too old. A counter is never handed out twice: a failed
  // reservation still counts.
  std::optional<std::uint64_t> reserve_counters(std::uint32_t num, Instant now) {
    if (expired(now) || !may_send.load(std::memory_order_relaxed)) return std::nullopt;
    // Checked first, so that failing reservations cannot wrap the counter.
    if (send_counter_.load(std::memory_order_relaxed) >= kRejectAfterMessages) return std::nullopt;
    const std::uint64_t first = send_counter_.fetch_add(num, std::memory_order_relaxed);
    if (first >= kRejectAfterMessages || num > kRejectAfterMessages - first) return std::nullopt;
    return first;
  }
  std::uint64_t send_counter() const { return send_counter_.load(std::memory_order_relaxed); }
  // For simulations of old sessions; before the keypair is shared.
  void start_send_counter_at(std::uint64_t counter) {
    send_counter_.store(counter, std::memory_order_relaxed);
  }

  std::mutex& replay_mutex() { return replay_mutex_; }
  ReplayWindow& replay_window() { return replay_window_; }  // under replay_mutex()
  // Cleared when the device's private key changes: we still receive on it, but send no more.
  std::atomic<bool> may_send{true};
  // Rekey on receive happens once a session.
  std::atomic<bool> rekey_on_receive_done{false};

  // Rules of §6.2: does sending on this keypair call for a new handshake?
  bool wants_rekey_on_send(Instant now) const {
    if (send_counter() > kRekeyAfterMessages) return true;
    return is_initiator && now - created_at >= kRekeyAfterTime;
  }
  bool wants_rekey_on_receive(Instant now) const {
    return is_initiator && now - created_at >= kRekeyOnReceiveTime;
  }

 private:
  TransportKey send_key_;
  TransportKey receive_key_;
  std::atomic<std::uint64_t> send_counter_{0};
  std::mutex replay_mutex_;
  ReplayWindow replay_window_;
};

}  // namespace hawser
