#include "base/wire.h"
#include "noise/handshake.h"
#include "support.h"

namespace hawser::test {
namespace {

// The handshake up to two sessions that fit each other.
void expect_sessions_fit(End& initiator, End& responder) {
  const auto a = initiator.handshake.derive_session();
  const auto b = responder.handshake.derive_session();
  ASSERT_TRUE(a && b);
  EXPECT_TRUE(a->is_initiator);
  EXPECT_FALSE(b->is_initiator);
  EXPECT_TRUE(equal_constant_time(a->send.bytes(), b->receive.bytes()));
  EXPECT_TRUE(equal_constant_time(a->receive.bytes(), b->send.bytes()));
  EXPECT_FALSE(equal_constant_time(a->send.bytes(), a->receive.bytes()));
  EXPECT_EQ(a->local_index, b->remote_index);
  EXPECT_EQ(a->remote_index, b->local_index);
}

void expect_handshake_works(Pair& pair, std::int64_t second) {
  const InitiationMessage initiation = pair.initiate(*pair.a, second, 11);
  ASSERT_EQ(pair.receive(*pair.b, initiation, at(seconds(second))), HandshakeVerdict::kOk);
  const ResponseMessage response = pair.respond(*pair.b, 22);
  ASSERT_EQ(pair.receive(*pair.a, response), HandshakeVerdict::kOk);
  expect_sessions_fit(*pair.a, *pair.b);
}

TEST(Handshake, BothEndsDeriveSessionsThatFit) {
  Pair pair(1);
  expect_handshake_works(pair, 100);
  expect_handshake_works(pair, 200);
}

TEST(Handshake, SessionIsDerivedOnce) {
  Pair pair(2);
  EXPECT_FALSE(pair.a->handshake.derive_session());
  expect_handshake_works(pair, 100);
  EXPECT_FALSE(pair.a->handshake.derive_session());
  EXPECT_FALSE(pair.b->handshake.derive_session());
  EXPECT_EQ(pair.a->handshake.local_index(), 0U);
}

TEST(Handshake, NothingIsDerivedFromHalfAHandshake) {
  Pair pair(3);
  const InitiationMessage initiation = pair.initiate(*pair.a, 100, 11);
  EXPECT_FALSE(pair.a->handshake.derive_session());
  ASSERT_EQ(pair.receive(*pair.b, initiation, at(seconds(1))), HandshakeVerdict::kOk);
  EXPECT_FALSE(pair.b->handshake.derive_session());
  // Asking too early did not end it.
  ASSERT_EQ(pair.receive(*pair.a, pair.respond(*pair.b, 22)), HandshakeVerdict::kOk);
  expect_sessions_fit(*pair.a, *pair.b);
}

TEST(Handshake, ReplayedInitiationIsRefused) {
  Pair pair(4);
  const InitiationMessage initiation = pair.initiate(*pair.a, 100, 11);
  ASSERT_EQ(pair.receive(*pair.b, initiation, at(seconds(1))), HandshakeVerdict::kOk);
  EXPECT_EQ(pair.receive(*pair.b, initiation, at(seconds(50))), HandshakeVerdict::kReplayed);
}

TEST(Handshake, TimeStampMustBeStrictlyGreater) {
  Pair pair(5);
  ASSERT_EQ(pair.receive(*pair.b, pair.initiate(*pair.a, 100, 11), at(seconds(1))),
            HandshakeVerdict::kOk);
  EXPECT_EQ(pair.receive(*pair.b, pair.initiate(*pair.a, 100, 12), at(seconds(50))),
            HandshakeVerdict::kReplayed);
  EXPECT_EQ(pair.receive(*pair.b, pair.initiate(*pair.a, 99, 13), at(seconds(60))),
            HandshakeVerdict::kReplayed);
  EXPECT_EQ(pair.receive(*pair.b, pair.initiate(*pair.a, 101, 14), at(seconds(70))),
            HandshakeVerdict::kOk);
}

TEST(Handshake, GreatestTimeStampOutlivesClearAndIdentityChange) {
  Pair pair(6);
  const InitiationMessage initiation = pair.initiate(*pair.a, 100, 11);
  ASSERT_EQ(pair.receive(*pair.b, initiation, at(seconds(1))), HandshakeVerdict::kOk);
  pair.b->handshake.clear();
  EXPECT_EQ(pair.receive(*pair.b, initiation, at(seconds(50))), HandshakeVerdict::kReplayed);
  pair.b->handshake.identity_changed();
  EXPECT_EQ(pair.receive(*pair.b, initiation, at(seconds(60))), HandshakeVerdict::kReplayed);
}

TEST(Handshake, SecondInitiationWithin20MillisecondsIsRefused) {
  Pair pair(7);
  ASSERT_EQ(pair.receive(*pair.b, pair.initiate(*pair.a, 100, 11), at(seconds(1))),
            HandshakeVerdict::kOk);
  const InitiationMessage second = pair.initiate(*pair.a, 101, 12);
  EXPECT_EQ(pair.receive(*pair.b, second, at(seconds(1) + milliseconds(20) - nanoseconds(1))),
            HandshakeVerdict::kTooSoon);
  // Being refused for the moment did not use its time stamp up.
  EXPECT_EQ(pair.receive(*pair.b, second, at(seconds(1) + milliseconds(20))),
            HandshakeVerdict::kOk);
}

TEST(Handshake, RefusedInitiationLeavesTheHandshakeUnderWay) {
  Pair pair(8);
  const InitiationMessage first = pair.initiate(*pair.a, 100, 11);
  ASSERT_EQ(pair.receive(*pair.b, first, at(seconds(1))), HandshakeVerdict::kOk);
  InitiationMessage forged = pair.initiate(*pair.a, 101, 12);
  forged.encrypted_timestamp[3] ^= 1;
  EXPECT_EQ(pair.receive(*pair.b, forged, at(seconds(2))), HandshakeVerdict::kBadMessage);
  EXPECT_EQ(pair.receive(*pair.b, first, at(seconds(3))), HandshakeVerdict::kReplayed);
  const ResponseMessage response = pair.respond(*pair.b, 22);  // still to the first
  EXPECT_EQ(load_le32(response.receiver.data()), 11U);
}

TEST(Handshake, EveryChangedByteOfAnInitiationIsNoticed) {
  Pair pair(9);
  const InitiationMessage initiation = pair.initiate(*pair.a, 100, 11);
  // From the ephemeral to the time stamp; indices and macs are not part of the transcript.
  for (std::size_t i = 8; i < 116; ++i) {
    InitiationMessage forged = initiation;
    raw(forged)[i] ^= 0x10;
    EXPECT_EQ(pair.receive(*pair.b, forged, at(seconds(1))), HandshakeVerdict::kBadMessage) << i;
  }
  EXPECT_EQ(pair.receive(*pair.b, initiation, at(seconds(1))), HandshakeVerdict::kOk);
}

TEST(Handshake, ForgedResponsesDoNotEndTheHandshake) {
  Pair pair(10);
  ASSERT_EQ(pair.receive(*pair.b, pair.initiate(*pair.a, 100, 11), at(seconds(1))),
            HandshakeVerdict::kOk);
  const ResponseMessage response = pair.respond(*pair.b, 22);
  for (std::size_t i = 12; i < 60; ++i) {
    ResponseMessage forged = response;
    raw(forged)[i] ^= 0x10;
    EXPECT_EQ(pair.receive(*pair.a, forged), HandshakeVerdict::kBadMessage) << i;
    EXPECT_TRUE(pair.a->handshake.initiation_under_way());
    EXPECT_FALSE(pair.a->handshake.derive_session());
  }
  ASSERT_EQ(pair.receive(*pair.a, response), HandshakeVerdict::kOk);
  expect_sessions_fit(*pair.a, *pair.b);
}

TEST(Handshake, ResponseToAnotherIndexIsNotOurs) {
  Pair pair(11);
  ASSERT_EQ(pair.receive(*pair.b, pair.initiate(*pair.a, 100, 11), at(seconds(1))),
            HandshakeVerdict::kOk);
  ResponseMessage response = pair.respond(*pair.b, 22);
  response.receiver[0] ^= 1;
  EXPECT_EQ(pair.receive(*pair.a, response), HandshakeVerdict::kWrongState);
  response.receiver[0] ^= 1;
  EXPECT_EQ(pair.receive(*pair.a, response), HandshakeVerdict::kOk);
  EXPECT_EQ(pair.receive(*pair.a, response), HandshakeVerdict::kWrongState);  // taken once
}

TEST(Handshake, ResponseToAnEarlierInitiationIsNotTaken) {
  Pair pair(12);
  ASSERT_EQ(pair.receive(*pair.b, pair.initiate(*pair.a, 100, 11), at(seconds(1))),
            HandshakeVerdict::kOk);
  const ResponseMessage late = pair.respond(*pair.b, 22);
  pair.initiate(*pair.a, 105, 12);
  EXPECT_EQ(pair.receive(*pair.a, late), HandshakeVerdict::kWrongState);
  EXPECT_TRUE(pair.a->handshake.initiation_under_way());
}

TEST(Handshake, ResponseNeedsAnInitiationAndIsMadeOnce) {
  Pair pair(13);
  ResponseMessage response{};
  EXPECT_EQ(pair.b->handshake.create_response(response, 22, pair.random),
            HandshakeVerdict::kWrongState);
  pair.initiate(*pair.b, 50, 21);
  EXPECT_EQ(pair.b->handshake.create_response(response, 22, pair.random),
            HandshakeVerdict::kWrongState);
  ASSERT_EQ(pair.receive(*pair.b, pair.initiate(*pair.a, 100, 11), at(seconds(1))),
            HandshakeVerdict::kOk);
  pair.respond(*pair.b, 22);
  EXPECT_EQ(pair.b->handshake.create_response(response, 23, pair.random),
            HandshakeVerdict::kWrongState);
}

TEST(Handshake, WrongPresharedKeyFailsAtTheResponse) {
  Pair pair(14);
  pair.b->handshake.set_preshared_key(secret_from_hex<PresharedKey>(std::string(64, '7')));
  ASSERT_EQ(pair.receive(*pair.b, pair.initiate(*pair.a, 100, 11), at(seconds(1))),
            HandshakeVerdict::kOk);
  const ResponseMessage response = pair.respond(*pair.b, 22);
  EXPECT_EQ(pair.receive(*pair.a, response), HandshakeVerdict::kBadMessage);
  EXPECT_TRUE(pair.a->handshake.initiation_under_way());
  // Set while the initiation is under way, it counts for the response.
  pair.a->handshake.set_preshared_key(secret_from_hex<PresharedKey>(std::string(64, '7')));
  ASSERT_EQ(pair.receive(*pair.a, response), HandshakeVerdict::kOk);
  expect_sessions_fit(*pair.a, *pair.b);
}

TEST(Handshake, ChangedPresharedKeyAppliesToTheNextHandshake) {
  Pair pair(15);
  expect_handshake_works(pair, 100);
  const auto psk = secret_from_hex<PresharedKey>(std::string(64, '9'));
  pair.a->handshake.set_preshared_key(psk.clone());
  pair.b->handshake.set_preshared_key(psk.clone());
  expect_handshake_works(pair, 200);
}

TEST(Handshake, InitiationForAnotherResponderDoesNotOpen) {
  Pair pair(16);
  Pair strangers(17);
  const InitiationMessage initiation = pair.initiate(*pair.a, 100, 11);
  EXPECT_FALSE(open_initiation(initiation, strangers.b->identity));
}

TEST(Handshake, WithoutAPrivateKeyNothingIsMadeOrAnswered) {
  Pair pair(18);
  const InitiationMessage initiation = pair.initiate(*pair.a, 100, 11);
  const auto opened = open_initiation(initiation, pair.b->identity);
  ASSERT_TRUE(opened);
  const Identity none;
  EXPECT_FALSE(open_initiation(initiation, none));
  EXPECT_EQ(pair.b->handshake.consume_initiation(*opened, initiation, none, at(seconds(1))),
            HandshakeVerdict::kNoPrivateKey);
  InitiationMessage message{};
  EXPECT_EQ(pair.a->handshake.create_initiation(message, none, 1, to_tai64n({200, 0}), pair.random),
            HandshakeVerdict::kNoPrivateKey);
  EXPECT_TRUE(pair.a->handshake.initiation_under_way());
  ResponseMessage response{};
  EXPECT_EQ(pair.a->handshake.consume_response(response, none), HandshakeVerdict::kNoPrivateKey);
}

// Each end drops its own initiation for the other's, so neither response finds its initiation; the
// jitter of the retries decides who comes first then. What matters: both stay able to complete.
TEST(Handshake, SimultaneousInitiationsEndWithoutASessionAndTheNextOneWorks) {
  Pair pair(19);
  const InitiationMessage from_a = pair.initiate(*pair.a, 100, 11);
  const InitiationMessage from_b = pair.initiate(*pair.b, 100, 21);
  ASSERT_EQ(pair.receive(*pair.a, from_b, at(seconds(1))), HandshakeVerdict::kOk);
  ASSERT_EQ(pair.receive(*pair.b, from_a, at(seconds(1))), HandshakeVerdict::kOk);
  EXPECT_FALSE(pair.a->handshake.initiation_under_way());
  const ResponseMessage response_a = pair.respond(*pair.a, 12);
  const ResponseMessage response_b = pair.respond(*pair.b, 22);
  EXPECT_EQ(pair.receive(*pair.a, response_b), HandshakeVerdict::kWrongState);
  EXPECT_EQ(pair.receive(*pair.b, response_a), HandshakeVerdict::kWrongState);
  expect_handshake_works(pair, 106);
}

TEST(Handshake, OneInitiationSlightlyEarlierWins) {
  Pair pair(20);
  const InitiationMessage from_a = pair.initiate(*pair.a, 100, 11);
  ASSERT_EQ(pair.receive(*pair.b, from_a, at(seconds(1))), HandshakeVerdict::kOk);
  const ResponseMessage response_b = pair.respond(*pair.b, 22);
  const auto session_b = pair.b->handshake.derive_session();
  const InitiationMessage from_b = pair.initiate(*pair.b, 101, 23);
  ASSERT_EQ(pair.receive(*pair.a, response_b), HandshakeVerdict::kOk);
  const auto session_a = pair.a->handshake.derive_session();
  ASSERT_TRUE(session_a && session_b);
  EXPECT_TRUE(equal_constant_time(session_a->send.bytes(), session_b->receive.bytes()));
  // The crossing one goes on undisturbed.
  ASSERT_EQ(pair.receive(*pair.a, from_b, at(seconds(2))), HandshakeVerdict::kOk);
  ASSERT_EQ(pair.receive(*pair.b, pair.respond(*pair.a, 13)), HandshakeVerdict::kOk);
  expect_sessions_fit(*pair.b, *pair.a);
}

TEST(Handshake, ChangedPrivateKeyIsUsedAfterIdentityChanged) {
  Pair pair(21);
  expect_handshake_works(pair, 100);  // static-static is cached now
  pair.initiate(*pair.b, 150, 21);

  PrivateKey fresh = make_private(pair.random);
  const PublicKey fresh_public = fresh.derive_public();
  pair.b->identity = Identity(std::move(fresh));
  pair.b->handshake.identity_changed();
  EXPECT_FALSE(pair.b->handshake.initiation_under_way());
  EXPECT_EQ(pair.b->handshake.local_index(), 0U);

  // The old key's handshakes open no more; those to the new one work.
  EXPECT_EQ(pair.receive(*pair.b, pair.initiate(*pair.a, 200, 11), at(seconds(200))),
            HandshakeVerdict::kBadMessage);
  End again(pair.a->identity.private_key().clone(), fresh_public);
  InitiationMessage initiation = pair.initiate(again, 300, 31);
  ASSERT_EQ(pair.receive(*pair.b, initiation, at(seconds(300))), HandshakeVerdict::kOk);
  ASSERT_EQ(pair.receive(again, pair.respond(*pair.b, 32)), HandshakeVerdict::kOk);
  expect_sessions_fit(again, *pair.b);
}

TEST(Handshake, ClearEndsAHandshakeUnderWay) {
  Pair pair(22);
  ASSERT_EQ(pair.receive(*pair.b, pair.initiate(*pair.a, 100, 11), at(seconds(1))),
            HandshakeVerdict::kOk);
  const ResponseMessage response = pair.respond(*pair.b, 22);
  EXPECT_EQ(pair.b->handshake.local_index(), 22U);
  pair.a->handshake.clear();
  pair.b->handshake.clear();
  EXPECT_EQ(pair.receive(*pair.a, response), HandshakeVerdict::kWrongState);
  EXPECT_FALSE(pair.b->handshake.derive_session());
  EXPECT_EQ(pair.b->handshake.local_index(), 0U);
}

TEST(Handshake, EachInitiationHasItsOwnEphemeral) {
  Pair pair(23);
  const InitiationMessage first = pair.initiate(*pair.a, 100, 11);
  const InitiationMessage second = pair.initiate(*pair.a, 105, 11);
  EXPECT_NE(first.ephemeral, second.ephemeral);
  EXPECT_NE(first.encrypted_static, second.encrypted_static);
}

// Looks for secrets in the object's own memory after it is done with them.
TEST(Handshake, EphemeralAndChainingKeysAreWipedWhenItIsOver) {
  Pair pair(24);
  const auto contains = [](const Handshake& handshake, std::span<const std::uint8_t> secret) {
    const std::span<const std::uint8_t> memory(reinterpret_cast<const std::uint8_t*>(&handshake),
                                               sizeof handshake);
    return std::search(memory.begin(), memory.end(), secret.begin(), secret.end()) != memory.end();
  };
  ScriptedRandom random;
  PrivateKey ephemeral = make_private(pair.random);
  random.then(ephemeral.bytes());
  InitiationMessage initiation{};
  ASSERT_EQ(pair.a->handshake.create_initiation(initiation, pair.a->identity, 11,
                                                to_tai64n({100, 0}), random),
            HandshakeVerdict::kOk);
  EXPECT_TRUE(contains(pair.a->handshake, ephemeral.bytes()));
  ASSERT_EQ(pair.receive(*pair.b, initiation, at(seconds(1))), HandshakeVerdict::kOk);
  PrivateKey response_ephemeral = make_private(pair.random);
  random.then(response_ephemeral.bytes());
  ResponseMessage response{};
  ASSERT_EQ(pair.b->handshake.create_response(response, 22, random), HandshakeVerdict::kOk);
  EXPECT_FALSE(contains(pair.b->handshake, response_ephemeral.bytes()));
  ASSERT_EQ(pair.receive(*pair.a, response), HandshakeVerdict::kOk);
  EXPECT_FALSE(contains(pair.a->handshake, ephemeral.bytes()));

  PrivateKey abandoned = make_private(pair.random);
  random.then(abandoned.bytes());
  ASSERT_EQ(pair.a->handshake.create_initiation(initiation, pair.a->identity, 12,
                                                to_tai64n({200, 0}), random),
            HandshakeVerdict::kOk);
  pair.a->handshake.clear();
  EXPECT_FALSE(contains(pair.a->handshake, abandoned.bytes()));
}

}  // namespace
}  // namespace hawser::test
