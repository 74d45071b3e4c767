#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>

namespace hawser {

// Every dropped packet (a segment counts as one) is counted once, under exactly one of these; at
// the peer where the peer is known, else at the device. Silent on the wire, not to the operator.
enum class DropReason : std::uint8_t {
  kMalformed,         // datagram: no known type, wrong length, reserved bytes set
  kInvalidMac,        // handshake: mac1 wrong
  kHandshakeRefused,  // handshake: does not open, replayed, too soon, unknown peer, wrong state
  kHandshakeQueueFull,
  kRateLimited,       // handshake under load, over its source's rate; or a cookie reply was sent
  kNoSession,         // transport: no such receiver index
  kSessionExpired,    // transport: keypair too old or used up
  kBadTag,            // transport: does not authenticate
  kReplayed,          // transport: counter seen before, or older than the window
  kInnerMalformed,    // decrypted, but not an IP packet, a fragment beyond its end, or a chain of
                      // extension headers too long to look for one
  kSourceNotAllowed,  // inner source belongs to another peer or to none
  kNoRoute,           // no peer for the destination
  kNoEndpoint,        // a peer, but nobody knows where it is
  kNotForUs,          // --forward=none, and the destination is not ours
  kHopLimit,          // relay: hop limit would reach zero
  kTooBig,            // relay: larger than the onward MTU
  kStagedFull,        // staged packets: the peer's or the global limit
  kStagedExpired,     // staged packets: handshake given up, or the peer went away
  kNoPrivateKey,
  kSendFailed,  // the socket refused it
  kTunFailed,   // the TUN device refused it
  kBatchFull,   // our own batch had no room
  kInterfaceDown,
  kTunMalformed,      // from TUN: not an IP packet, or a nonsensical offload header
  kLoop,              // our own outer packet came back through our TUN
  kImpossibleSource,  // inner source that nobody has beyond a router: our own, loopback, multicast…
  kSocketFull,        // the kernel had no room in our UDP socket; it counts modulo 2^32 a socket
  kCount,
};

inline constexpr std::size_t kNumDropReasons = static_cast<std::size_t>(DropReason::kCount);

// The name in logs and in the status: "no-session", "source-not-allowed", …
std::string_view to_string(DropReason reason);

// Relaxed counters, any thread.
class DropCounters {
 public:
  void add(DropReason reason, std::uint64_t num = 1) {
    counts_[static_cast<std::size_t>(reason)].fetch_add(num, std::memory_order_relaxed);
  }
  std::uint64_t get(DropReason reason) const {
    return counts_[static_cast<std::size_t>(reason)].load(std::memory_order_relaxed);
  }
  // Moves all counts of `other` here.
  void take_over(DropCounters& other) {
    for (std::size_t i = 0; i < kNumDropReasons; ++i) {
      counts_[i].fetch_add(other.counts_[i].exchange(0, std::memory_order_relaxed),
                           std::memory_order_relaxed);
    }
  }

 private:
  std::array<std::atomic<std::uint64_t>, kNumDropReasons> counts_{};
};

}  // namespace hawser
