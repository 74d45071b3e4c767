// Messages of an attacker who knows that a DH result is all zero, and can therefore seal correctly:
// the tags are right, so that only the check of the DH result refuses them.
#include <string_view>

#include "base/wire.h"
#include "noise/dh.h"
#include "noise/hash.h"
#include "noise/seal.h"
#include "support.h"

namespace hawser::test {
namespace {

using noise_internal::Bytes;

// A point of order 8: any clamped scalar takes it to zero.
const PublicKey kSmallOrder{
    unhex_array<32>("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")};

// Noise's symmetric state, written down once more for the attacker.
struct Attacker {
  Secret<32> chaining_key;
  Secret<32> hash;

  explicit Attacker(const PublicKey& responder) {
    noise_internal::blake2s_hash(chaining_key.mutable_bytes(),
                                 {text("Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s")});
    noise_internal::blake2s_hash(
        hash.mutable_bytes(), {chaining_key.bytes(), text("WireGuard v1 zx2c4 Jason@zx2c4.com")});
    mix_hash(responder.bytes);
  }
  explicit Attacker(const OpenedInitiation& opened)
      : chaining_key(opened.chaining_key.clone()), hash(opened.hash.clone()) {}

  void mix_hash(Bytes data) {
    noise_internal::blake2s_hash(hash.mutable_bytes(), {hash.bytes(), data});
  }
  void mix_ephemeral(const PublicKey& ephemeral) {
    mix_hash(ephemeral.bytes);
    noise_internal::kdf1(chaining_key, chaining_key, ephemeral.bytes);
  }
  template <std::size_t N>
  void seal_after(std::array<std::uint8_t, N>& out, const Secret<32>& shared, Bytes plaintext) {
    Secret<32> key;
    noise_internal::kdf2(chaining_key, key, chaining_key, shared.bytes());
    noise_internal::seal_once(out, key, plaintext, hash.bytes());
    mix_hash(out);
  }
};

// X25519 that gives zero where the library refuses.
Secret<32> shared_or_zero(const PrivateKey& own, const PublicKey& remote) {
  Secret<32> shared;
  (void)noise_internal::diffie_hellman(shared, own, remote);
  return shared;
}

InitiationMessage forge_initiation(const PublicKey& responder, const PublicKey& public_ephemeral,
                                   const Secret<32>& es, const PublicKey& claimed_static,
                                   const Secret<32>& ss) {
  InitiationMessage message{};
  store_le32(message.type.data(), 1);
  store_le32(message.sender.data(), 77);
  message.ephemeral = public_ephemeral.bytes;
  Attacker attacker(responder);
  attacker.mix_ephemeral(public_ephemeral);
  attacker.seal_after(message.encrypted_static, es, claimed_static.bytes);
  attacker.seal_after(message.encrypted_timestamp, ss, to_tai64n({100, 0}));
  return message;
}

TEST(SmallOrder, InitiationWithSuchAnEphemeralIsRefused) {
  Pair pair(1);
  const PublicKey& responder = pair.b->identity.public_key();
  const PublicKey& claimed = pair.a->identity.public_key();
  const Secret<32> ss = shared_or_zero(pair.a->identity.private_key(), responder);

  // The attacker's arithmetic is right: an honest ephemeral is accepted.
  const PrivateKey honest = make_private(pair.random);
  const InitiationMessage control = forge_initiation(
      responder, honest.derive_public(), shared_or_zero(honest, responder), claimed, ss);
  EXPECT_EQ(pair.receive(*pair.b, control, at(seconds(1))), HandshakeVerdict::kOk);

  const InitiationMessage forged =
      forge_initiation(responder, kSmallOrder, Secret<32>(), claimed, ss);
  EXPECT_FALSE(open_initiation(forged, pair.b->identity));
}

TEST(SmallOrder, InitiationOfSuchAStaticKeyIsRefused) {
  Pair pair(2);
  End responder(pair.b->identity.private_key().clone(), kSmallOrder);
  const PublicKey own = responder.identity.public_key();
  const PrivateKey ephemeral = make_private(pair.random);
  const InitiationMessage forged = forge_initiation(
      own, ephemeral.derive_public(), shared_or_zero(ephemeral, own), kSmallOrder, Secret<32>());
  const auto opened = open_initiation(forged, responder.identity);
  ASSERT_TRUE(opened);
  ASSERT_EQ(opened->remote_static, kSmallOrder);
  EXPECT_EQ(
      responder.handshake.consume_initiation(*opened, forged, responder.identity, at(seconds(1))),
      HandshakeVerdict::kBadMessage);
  ResponseMessage response{};
  EXPECT_EQ(responder.handshake.create_response(response, 1, pair.random),
            HandshakeVerdict::kWrongState);
}

TEST(SmallOrder, InitiationToSuchAPeerIsNotMade) {
  Pair pair(3);
  End initiator(pair.a->identity.private_key().clone(), kSmallOrder);
  InitiationMessage message{};
  for (int attempt = 0; attempt < 2; ++attempt) {  // also from the cached static-static
    EXPECT_EQ(initiator.handshake.create_initiation(message, initiator.identity, 1,
                                                    to_tai64n({100, 0}), pair.random),
              HandshakeVerdict::kBadMessage);
  }
  EXPECT_FALSE(initiator.handshake.initiation_under_way());
}

// What the holder of the responder's key can answer, honest or not.
ResponseMessage forge_response(Pair& pair, const InitiationMessage& initiation,
                               const PublicKey& ephemeral, const Secret<32>& ee,
                               const Secret<32>& se) {
  const auto opened = open_initiation(initiation, pair.b->identity);
  EXPECT_TRUE(opened);
  Attacker attacker(*opened);
  Secret<32> key;
  const Secret<32> ss =
      shared_or_zero(pair.b->identity.private_key(), pair.a->identity.public_key());
  noise_internal::kdf2(attacker.chaining_key, key, attacker.chaining_key, ss.bytes());
  attacker.mix_hash(initiation.encrypted_timestamp);

  ResponseMessage message{};
  store_le32(message.type.data(), 2);
  store_le32(message.sender.data(), 88);
  message.receiver = initiation.sender;
  message.ephemeral = ephemeral.bytes;
  attacker.mix_ephemeral(ephemeral);
  noise_internal::kdf1(attacker.chaining_key, attacker.chaining_key, ee.bytes());
  noise_internal::kdf1(attacker.chaining_key, attacker.chaining_key, se.bytes());
  Secret<32> tau;
  noise_internal::kdf3(attacker.chaining_key, tau, key, attacker.chaining_key,
                       PresharedKey().bytes());
  attacker.mix_hash(tau.bytes());
  noise_internal::seal_once(message.encrypted_nothing, key, {}, attacker.hash.bytes());
  return message;
}

TEST(SmallOrder, ResponseWithSuchAnEphemeralIsRefusedAndTheHandshakeGoesOn) {
  Pair pair(4);
  const InitiationMessage initiation = pair.initiate(*pair.a, 100, 11);
  const ResponseMessage forged =
      forge_response(pair, initiation, kSmallOrder, Secret<32>(), Secret<32>());
  EXPECT_EQ(pair.receive(*pair.a, forged), HandshakeVerdict::kBadMessage);
  EXPECT_TRUE(pair.a->handshake.initiation_under_way());

  const PrivateKey honest = make_private(pair.random);
  const ResponseMessage control =
      forge_response(pair, initiation, honest.derive_public(),
                     shared_or_zero(honest, PublicKey{initiation.ephemeral}),
                     shared_or_zero(honest, pair.a->identity.public_key()));
  EXPECT_EQ(pair.receive(*pair.a, control), HandshakeVerdict::kOk);
}

}  // namespace
}  // namespace hawser::test
