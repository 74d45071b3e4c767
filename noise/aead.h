#pragma once
// ChaCha20-Poly1305 for transport data (RFC 8439), a batch at a time, behind one interface. The
// backends are libraries', but for one: lanes, which works on the packets of a train side by side
// (noise/aead_lanes.h).
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "noise/keys.h"

namespace hawser {

// One message, in place. Nonce: 4 zero bytes, then `counter` little endian. No associated data.
struct AeadJob {
  std::uint8_t* data = nullptr;  // plaintext / ciphertext; the 16-byte tag follows at data + len
  std::uint32_t len = 0;  // plaintext length (without the tag), for both directions; may be 0
  bool ok = false;        // out: sealed / opened. When false after open, `data` is unspecified
  std::uint64_t counter = 0;
  const TransportKey* key = nullptr;
};

// Aead is one thread's instance of a backend (it may hold scratch state). Jobs of one call may have
// different keys; they must not overlap.
class Aead {
 public:
  virtual ~Aead() = default;
  virtual std::string_view name() const = 0;
  virtual void seal(std::span<AeadJob> jobs) = 0;
  virtual void open(std::span<AeadJob> jobs) = 0;
};

enum class AeadKind : std::uint8_t { kAuto, kBoringSsl, kIpsecMb, kLanes };

// Names for --aead: "auto", "boringssl", "ipsec-mb", "lanes".
std::string_view to_string(AeadKind kind);

// Null when this build or processor lacks the backend. kAuto is not accepted here.
std::unique_ptr<Aead> make_aead(AeadKind kind);

// Does `candidate` agree with BoringSSL, seal and open, on every length (0–2,048), with a key for
// each packet and with one key for trains of 1 to 64, and refuse what is spoilt? Deterministic; a
// fraction of a second.
bool aead_agrees(Aead& candidate);

}  // namespace hawser
