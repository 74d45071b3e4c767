#include "noise/handshake.h"

#include <algorithm>
#include <cassert>
#include <string_view>
#include <utility>

#include "base/wire.h"
#include "noise/dh.h"
#include "noise/hash.h"
#include "noise/seal.h"

namespace hawser {
namespace {

using noise_internal::Bytes;
using noise_internal::diffie_hellman;
using noise_internal::MutableBytes;

Bytes bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// What every handshake begins with: C = HASH(construction), H = HASH(C || identifier).
struct InitialState {
  std::array<std::uint8_t, kHashLen> chaining_key{};
  std::array<std::uint8_t, kHashLen> hash{};

  InitialState() {
    noise_internal::blake2s_hash(chaining_key, {bytes_of("Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s")});
    noise_internal::blake2s_hash(hash,
                                 {chaining_key, bytes_of("WireGuard v1 zx2c4 Jason@zx2c4.com")});
  }
};

// The symmetric state of Noise (chaining key C and hash H), worked on as a temporary and committed
// by its owner only when a whole message went well. Everything in it wipes itself.
struct SymmetricState {
  Secret<kHashLen> chaining_key;
  Secret<kHashLen> hash;

  static SymmetricState begin(const PublicKey& responder) {
    static const InitialState initial;
    SymmetricState state;
    state.chaining_key =
        Secret<kHashLen>(std::span<const std::uint8_t, kHashLen>(initial.chaining_key));
    state.hash = Secret<kHashLen>(std::span<const std::uint8_t, kHashLen>(initial.hash));
    state.mix_hash(responder.bytes);
    return state;
  }

  void mix_hash(Bytes data) {
    noise_internal::blake2s_hash(hash.mutable_bytes(), {hash.bytes(), data});
  }
  // Token e: a public ephemeral goes into both.
  void mix_ephemeral(const PublicKey& ephemeral) {
    mix_hash(ephemeral.bytes);
    noise_internal::kdf1(chaining_key, chaining_key, ephemeral.bytes);
  }
  // A DH token whose key nothing is sealed with. False: all-zero result.
  [[nodiscard]] bool mix_dh(const PrivateKey& own, const PublicKey& remote) {
    Secret<kKeyLen> shared;
    if (!diffie_hellman(shared, own, remote)) return false;
    noise_internal::kdf1(chaining_key, chaining_key, shared.bytes());
    return true;
  }
  // A DH token that yields the key of the next field.
  [[nodiscard]] bool mix_dh(Secret<kHashLen>& key, const PrivateKey& own, const PublicKey& remote) {
    Secret<kKeyLen> shared;
    if (!diffie_hellman(shared, own, remote)) return false;
    mix_shared(key, shared);
    return true;
  }
  void mix_shared(Secret<kHashLen>& key, const Secret<kKeyLen>& shared) {
    noise_internal::kdf2(chaining_key, key, chaining_key, shared.bytes());
  }
  void mix_psk(Secret<kHashLen>& key, const PresharedKey& psk) {
    Secret<kHashLen> tau;
    noise_internal::kdf3(chaining_key, tau, key, chaining_key, psk.bytes());
    mix_hash(tau.bytes());
  }
  void seal(MutableBytes out, const Secret<kHashLen>& key, Bytes plaintext) {
    noise_internal::seal_once(out, key, plaintext, hash.bytes());
    mix_hash(out);
  }
  [[nodiscard]] bool open(MutableBytes out, const Secret<kHashLen>& key, Bytes ciphertext) {
    if (!noise_internal::open_once(out, key, ciphertext, hash.bytes())) return false;
    mix_hash(ciphertext);
    return true;
  }
};

PrivateKey make_ephemeral(RandomSource& random) {
  PrivateKey ephemeral;
  random.fill(ephemeral.mutable_bytes());
  ephemeral.clamp();
  return ephemeral;
}

}  // namespace

std::optional<OpenedInitiation> open_initiation(const InitiationMessage& message,
                                                const Identity& identity) {
  if (!identity.has_private_key()) return std::nullopt;
  std::optional<OpenedInitiation> result(std::in_place);
  OpenedInitiation& opened = *result;
  SymmetricState state = SymmetricState::begin(identity.public_key());
  Secret<kHashLen> key;

  // e
  opened.remote_ephemeral.bytes = message.ephemeral;
  state.mix_ephemeral(opened.remote_ephemeral);
  // es
  if (!state.mix_dh(key, identity.private_key(), opened.remote_ephemeral)) return std::nullopt;
  // s
  if (!state.open(opened.remote_static.bytes, key, message.encrypted_static)) return std::nullopt;

  opened.chaining_key = std::move(state.chaining_key);
  opened.hash = std::move(state.hash);
  opened.remote_index = load_le32(message.sender.data());
  return result;
}

Handshake::Handshake(const PublicKey& remote_static) : remote_static_(remote_static) {}

void Handshake::identity_changed() {
  static_static_.clear();
  static_static_known_ = false;
  clear();
}

void Handshake::clear() {
  state_ = State::kNone;
  local_index_ = 0;
  remote_index_ = 0;
  ephemeral_.clear();
  remote_ephemeral_ = {};
  chaining_key_.clear();
  hash_.clear();
}

const Secret<kKeyLen>* Handshake::static_static(const Identity& identity) {
  if (!static_static_known_) {
    // A refused result is remembered as well: it is zero, and stays refused without the cost.
    if (!diffie_hellman(static_static_, identity.private_key(), remote_static_)) {
      static_static_.clear();
    }
    static_static_known_ = true;
  }
  return static_static_.is_zero() ? nullptr : &static_static_;
}

HandshakeVerdict Handshake::create_initiation(InitiationMessage& out, const Identity& identity,
                                              std::uint32_t local_index, const Tai64n& timestamp,
                                              RandomSource& random) {
  if (!identity.has_private_key()) return HandshakeVerdict::kNoPrivateKey;
  const Secret<kKeyLen>* shared = static_static(identity);
  if (shared == nullptr) return HandshakeVerdict::kBadMessage;
  SymmetricState state = SymmetricState::begin(remote_static_);
  Secret<kHashLen> key;

  // e
  PrivateKey ephemeral = make_ephemeral(random);
  const PublicKey public_ephemeral = ephemeral.derive_public();
  state.mix_ephemeral(public_ephemeral);
  // es
  if (!state.mix_dh(key, ephemeral, remote_static_)) return HandshakeVerdict::kBadMessage;
  // s
  out = {};
  state.seal(out.encrypted_static, key, identity.public_key().bytes);
  // ss
  state.mix_shared(key, *shared);
  state.seal(out.encrypted_timestamp, key, timestamp);

  store_le32(out.type.data(), static_cast<std::uint32_t>(MessageType::kInitiation));
  store_le32(out.sender.data(), local_index);
  out.ephemeral = public_ephemeral.bytes;

  clear();
  ephemeral_ = std::move(ephemeral);
  chaining_key_ = std::move(state.chaining_key);
  hash_ = std::move(state.hash);
  local_index_ = local_index;
  state_ = State::kInitiationCreated;
  return HandshakeVerdict::kOk;
}

HandshakeVerdict Handshake::consume_initiation(const OpenedInitiation& opened,
                                               const InitiationMessage& message,
                                               const Identity& identity, Instant now) {
  assert(opened.remote_static == remote_static_);
  if (!identity.has_private_key()) return HandshakeVerdict::kNoPrivateKey;
  const Secret<kKeyLen>* shared = static_static(identity);
  if (shared == nullptr) return HandshakeVerdict::kBadMessage;
  SymmetricState state{opened.chaining_key.clone(), opened.hash.clone()};
  Secret<kHashLen> key;

  // ss
  state.mix_shared(key, *shared);
  Tai64n timestamp{};
  if (!state.open(timestamp, key, message.encrypted_timestamp)) {
    return HandshakeVerdict::kBadMessage;
  }
  if (timestamp <= greatest_timestamp_) return HandshakeVerdict::kReplayed;
  if (last_initiation_consumed_ && now - *last_initiation_consumed_ < kInitiationInterval) {
    return HandshakeVerdict::kTooSoon;
  }

  clear();
  greatest_timestamp_ = timestamp;
  last_initiation_consumed_ = now;
  remote_ephemeral_ = opened.remote_ephemeral;
  remote_index_ = opened.remote_index;
  chaining_key_ = std::move(state.chaining_key);
  hash_ = std::move(state.hash);
  state_ = State::kInitiationConsumed;
  return HandshakeVerdict::kOk;
}

HandshakeVerdict Handshake::create_response(ResponseMessage& out, std::uint32_t local_index,
                                            RandomSource& random) {
  if (state_ != State::kInitiationConsumed) return HandshakeVerdict::kWrongState;
  SymmetricState state{chaining_key_.clone(), hash_.clone()};
  Secret<kHashLen> key;

  // e
  const PrivateKey ephemeral = make_ephemeral(random);
  const PublicKey public_ephemeral = ephemeral.derive_public();
  state.mix_ephemeral(public_ephemeral);
  // ee, se
  if (!state.mix_dh(ephemeral, remote_ephemeral_) || !state.mix_dh(ephemeral, remote_static_)) {
    clear();  // this initiation can have no answer
    return HandshakeVerdict::kBadMessage;
  }
  // psk
  state.mix_psk(key, preshared_key_);
  out = {};
  state.seal(out.encrypted_nothing, key, {});

  store_le32(out.type.data(), static_cast<std::uint32_t>(MessageType::kResponse));
  store_le32(out.sender.data(), local_index);
  store_le32(out.receiver.data(), remote_index_);
  out.ephemeral = public_ephemeral.bytes;

  chaining_key_ = std::move(state.chaining_key);
  hash_.clear();  // needed no more
  remote_ephemeral_ = {};
  local_index_ = local_index;
  state_ = State::kResponseCreated;
  return HandshakeVerdict::kOk;
}

HandshakeVerdict Handshake::consume_response(const ResponseMessage& message,
                                             const Identity& identity) {
  if (!identity.has_private_key()) return HandshakeVerdict::kNoPrivateKey;
  if (state_ != State::kInitiationCreated || load_le32(message.receiver.data()) != local_index_) {
    return HandshakeVerdict::kWrongState;
  }
  SymmetricState state{chaining_key_.clone(), hash_.clone()};
  Secret<kHashLen> key;

  // e
  const PublicKey remote_ephemeral{message.ephemeral};
  state.mix_ephemeral(remote_ephemeral);
  // ee
  if (!state.mix_dh(ephemeral_, remote_ephemeral)) return HandshakeVerdict::kBadMessage;
  // se
  if (!state.mix_dh(identity.private_key(), remote_ephemeral)) return HandshakeVerdict::kBadMessage;
  // psk
  state.mix_psk(key, preshared_key_);
  if (!state.open({}, key, message.encrypted_nothing)) return HandshakeVerdict::kBadMessage;

  ephemeral_.clear();
  chaining_key_ = std::move(state.chaining_key);
  hash_.clear();
  remote_index_ = load_le32(message.sender.data());
  state_ = State::kResponseConsumed;
  return HandshakeVerdict::kOk;
}

std::optional<SessionKeys> Handshake::derive_session() {
  if (state_ != State::kResponseCreated && state_ != State::kResponseConsumed) return std::nullopt;
  std::optional<SessionKeys> session(std::in_place);
  session->is_initiator = state_ == State::kResponseConsumed;
  session->local_index = local_index_;
  session->remote_index = remote_index_;
  session->remote_static = remote_static_;
  TransportKey& from_initiator = session->is_initiator ? session->send : session->receive;
  TransportKey& from_responder = session->is_initiator ? session->receive : session->send;
  noise_internal::kdf2(from_initiator, from_responder, chaining_key_, {});
  clear();
  return session;
}

}  // namespace hawser
