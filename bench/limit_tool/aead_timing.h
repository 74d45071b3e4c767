#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>

#include "noise/aead.h"

namespace hawser::limit {

// Nanoseconds a packet.
struct AeadTimes {
  double seal = 0;
  double open = 0;
};

// time_aead seals and opens one train of packets of `len` bytes in place, over and over, so that
// nothing but the AEAD costs anything. Medians over the trains. nullopt: this build or processor
// lacks the backend, or it is wrong.
std::optional<AeadTimes> time_aead(AeadKind kind, std::size_t len, std::int64_t duration_ns);

}  // namespace hawser::limit
