#pragma once
// The Noise_IKpsk2 handshake (WireGuard paper §5.4.2–5.4.5). No I/O, no clock, no peers table:
// bytes and values in, bytes and verdicts out. One thread at a time for each object.
#include <cstdint>
#include <optional>

#include "base/random_source.h"
#include "base/time.h"
#include "noise/identity.h"
#include "noise/keys.h"
#include "noise/messages.h"
#include "noise/tai64n.h"

namespace hawser {

enum class HandshakeVerdict : std::uint8_t {
  kOk,
  kBadMessage,  // does not decrypt, or a DH result is all zero
  kWrongState,  // a response to no initiation of ours
  kReplayed,    // time stamp not greater than the greatest seen
  kTooSoon,     // a second initiation within 20 ms
  kNoPrivateKey,
};

// The outcome of a handshake: two one-way keys and whom to name in the header.
struct SessionKeys {
  TransportKey send;
  TransportKey receive;
  std::uint32_t local_index = 0;
  std::uint32_t remote_index = 0;
  bool is_initiator = false;
  PublicKey remote_static;  // which the peer showed
};

// OpenedInitiation is what an initiation says before a peer is known: message tokens e, es, s.
// Holds intermediate secrets and wipes them.
struct OpenedInitiation {
  PublicKey remote_static;
  PublicKey remote_ephemeral;
  Secret<kHashLen> chaining_key;
  Secret<kHashLen> hash;
  std::uint32_t remote_index = 0;
};

// Opens e, es, s of an initiation whose mac1 was found valid. nullopt: drop silently.
std::optional<OpenedInitiation> open_initiation(const InitiationMessage& message,
                                                const Identity& identity);

// Handshake is one peer's handshake state. Ephemeral and intermediate keys are wiped on every path.
class Handshake {
 public:
  explicit Handshake(const PublicKey& remote_static);

  const PublicKey& remote_static() const { return remote_static_; }

  // Takes effect with the next message made or consumed; a live session stays.
  void set_preshared_key(PresharedKey key) { preshared_key_ = std::move(key); }
  const PresharedKey& preshared_key() const { return preshared_key_; }

  // After the device's private key changed: forgets the static-static value (it is computed anew on
  // first use, so that loading 10,000 peers costs no X25519) and any handshake under way.
  void identity_changed();

  // Wipes a handshake under way. Greatest seen time stamp and PSK stay.
  void clear();

  // Messages are complete but for mac1 and mac2 (noise/cookie.h adds those).
  // kBadMessage here: the peer's public key gives an all-zero DH result.
  HandshakeVerdict create_initiation(InitiationMessage& out, const Identity& identity,
                                     std::uint32_t local_index, const Tai64n& timestamp,
                                     RandomSource& random);
  // Tokens ss and the time stamp. On kOk the state is ready for create_response(); any other
  // verdict leaves the object as it was (but for nothing).
  HandshakeVerdict consume_initiation(const OpenedInitiation& opened,
                                      const InitiationMessage& message, const Identity& identity,
                                      Instant now);
  HandshakeVerdict create_response(ResponseMessage& out, std::uint32_t local_index,
                                   RandomSource& random);
  // Only a response to the initiation under way is taken; any failure leaves the state as it was,
  // so that a forged response cannot end a handshake.
  HandshakeVerdict consume_response(const ResponseMessage& message, const Identity& identity);

  // After create_response() or consume_response(): derives the session keys and wipes the
  // handshake. nullopt when there is nothing to derive from.
  std::optional<SessionKeys> derive_session();

  // Index of the handshake under way (ours), 0 when there is none.
  std::uint32_t local_index() const { return state_ == State::kNone ? 0 : local_index_; }
  bool initiation_under_way() const { return state_ == State::kInitiationCreated; }

 private:
  enum class State : std::uint8_t {
    kNone,
    kInitiationCreated,
    kInitiationConsumed,
    kResponseCreated,
    kResponseConsumed,
  };

  const Secret<kKeyLen>* static_static(const Identity& identity);  // null: all-zero result

  PublicKey remote_static_;
  PresharedKey preshared_key_;
  Secret<kKeyLen> static_static_;
  bool static_static_known_ = false;

  State state_ = State::kNone;
  std::uint32_t local_index_ = 0;
  std::uint32_t remote_index_ = 0;
  PrivateKey ephemeral_;
  PublicKey remote_ephemeral_;
  Secret<kHashLen> chaining_key_;
  Secret<kHashLen> hash_;

  Tai64n greatest_timestamp_{};
  std::optional<Instant> last_initiation_consumed_;
};

}  // namespace hawser
