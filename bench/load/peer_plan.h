#pragma once
// Who the peers of a measurement are. Everything follows from a seed, so that the controller under
// test and the generator agree without talking to each other. The keys protect nothing.
#include <cstddef>
#include <cstdint>
#include <string>

#include "noise/identity.h"
#include "routing/ip_address.h"

namespace hawser::load {

// Traffic goes from side A to side B; pair i is peer i of A and peer i of B.
enum class Side : std::uint8_t { kA, kB };

inline constexpr std::size_t kMaxPairs = 10000;

// PeerPlan says each peer's identity and inner addresses. With n = i + 1, peer i has
//   side A: 10.65.(n / 256).(n % 256) and fd65::n
//   side B: 10.66.(n / 256).(n % 256) and fd66::n
// so that the controller needs the routes 10.65.0.0/16, 10.66.0.0/16, fd65::/64 and fd66::/64.
class PeerPlan {
 public:
  explicit PeerPlan(std::uint64_t seed) : seed_(seed) {}

  PrivateKey controller_key() const;
  Identity peer(Side side, std::size_t i) const;
  static IpAddress address(Side side, std::size_t i, IpFamily family);

  // A file for `wg setconf`: the controller with 2 * num_pairs peers, each with its two inner
  // addresses and without an endpoint (peers are the ones that call).
  std::string controller_config(std::size_t num_pairs, std::uint16_t listen_port) const;

 private:
  PrivateKey derive_key(std::uint64_t number) const;

  std::uint64_t seed_;
};

}  // namespace hawser::load
