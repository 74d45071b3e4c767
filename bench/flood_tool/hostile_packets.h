#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/random_source.h"
#include "noise/keys.h"
#include "noise/messages.h"

namespace hawser::flood {

// What a stranger may send.
enum class Kind : std::uint8_t {
  kGarbage,       // no WireGuard message
  kBadMac1,       // an initiation by its shape alone
  kValidMac1,     // an initiation of nobody's that knows the controller's public key
  kSpoofed,       // the same, from random sources
  kReplay,        // a genuine initiation, again and again
  kUnknownIndex,  // transport data for nobody
  kBadTag,        // transport data of a session, not authentic
};

std::optional<Kind> parse_kind(std::string_view name);

// Does the kind need to have shaken hands with the controller?
constexpr bool needs_insider(Kind kind) { return kind == Kind::kReplay || kind == Kind::kBadTag; }

// What the packets are made from. `initiation` and `receiver_index` count for kinds that need an
// insider.
struct Ingredients {
  PublicKey controller;
  InitiationMessage initiation{};
  std::uint32_t receiver_index = 0;
  std::size_t data_len = 0;  // UDP payload of transport data
};

using Packet = std::vector<std::uint8_t>;

// `num` packets of a kind, each different (but for replays).
std::vector<Packet> make_packets(Kind kind, std::size_t num, const Ingredients& ingredients,
                                 RandomSource& random);

}  // namespace hawser::flood
