// The whole exchange of tests/vectors/handshake.json, byte for byte, in both roles.
#include <nlohmann/json.hpp>

#include <fstream>

#include "base/wire.h"
#include "noise/aead.h"
#include "support.h"

namespace hawser::test {
namespace {

class HandshakeVectors : public ::testing::Test {
 protected:
  void SetUp() override {
    std::ifstream file(HANDSHAKE_VECTORS);
    ASSERT_TRUE(file) << HANDSHAKE_VECTORS;
    file >> json_;
    initiator_ = std::make_unique<End>(secret<PrivateKey>("initiator_private"),
                                       PublicKey{unhex_array<32>(text("responder_public"))});
    responder_ = std::make_unique<End>(secret<PrivateKey>("responder_private"),
                                       PublicKey{unhex_array<32>(text("initiator_public"))});
    initiator_->handshake.set_preshared_key(secret<PresharedKey>("preshared_key"));
    responder_->handshake.set_preshared_key(secret<PresharedKey>("preshared_key"));
    source_.len = 6;
    std::ranges::copy(unhex("c0000221"
                            "9c40"),
                      source_.bytes.begin());  // 192.0.2.33:40000
    checker_.set_public_key(responder_->identity.public_key());
  }

  std::string text(const char* name) const { return json_.at(name).get<std::string>(); }
  std::uint32_t number(const char* name) const { return json_.at(name).get<std::uint32_t>(); }
  template <class Key>
  Key secret(const char* name) const {
    return secret_from_hex<Key>(text(name));
  }

  InitiationMessage create_initiation() {
    ScriptedRandom random;
    random.then(unhex(text("initiator_ephemeral_private")));
    InitiationMessage message{};
    EXPECT_EQ(initiator_->handshake.create_initiation(message, initiator_->identity,
                                                      number("initiator_index"),
                                                      unhex_array<12>(text("timestamp")), random),
              HandshakeVerdict::kOk);
    EXPECT_TRUE(random.used_up());
    initiator_cookies_.add_macs(raw(message), at(seconds(1)));
    return message;
  }

  ResponseMessage create_response() {
    ScriptedRandom random;
    random.then(unhex(text("responder_ephemeral_private")));
    ResponseMessage message{};
    EXPECT_EQ(responder_->handshake.create_response(message, number("responder_index"), random),
              HandshakeVerdict::kOk);
    responder_cookies_.add_macs(raw(message), at(seconds(1)));
    return message;
  }

  HandshakeVerdict consume_initiation(const InitiationMessage& message) {
    const auto opened = open_initiation(message, responder_->identity);
    if (!opened) return HandshakeVerdict::kBadMessage;
    EXPECT_EQ(hex(opened->remote_static.bytes), text("initiator_public"));
    EXPECT_EQ(opened->remote_index, number("initiator_index"));
    return responder_->handshake.consume_initiation(*opened, message, responder_->identity,
                                                    at(seconds(1)));
  }

  // Seals the plaintext as transport data, header and all.
  static std::string packet(const SessionKeys& session, std::uint64_t counter,
                            std::string_view plaintext_hex) {
    const std::vector<std::uint8_t> plaintext = unhex(plaintext_hex);
    std::vector<std::uint8_t> bytes(16 + plaintext.size() + 16);
    store_le32(bytes.data(), 4);
    store_le32(bytes.data() + 4, session.remote_index);
    store_le64(bytes.data() + 8, counter);
    std::ranges::copy(plaintext, bytes.begin() + 16);
    std::array jobs = {AeadJob{bytes.data() + 16, static_cast<std::uint32_t>(plaintext.size()),
                               false, counter, &session.send}};
    make_aead(AeadKind::kBoringSsl)->seal(jobs);
    EXPECT_TRUE(jobs[0].ok);
    return hex(bytes);
  }

  nlohmann::json json_;
  std::unique_ptr<End> initiator_;
  std::unique_ptr<End> responder_;
  CookieSource source_;
  CookieChecker checker_;
  CookieMaker initiator_cookies_{PublicKey{
      unhex_array<32>("64b101b1d0be5a8704bd078f9895001fc03e8e9f9522f188dd128d9846d48466")}};
  CookieMaker responder_cookies_{PublicKey{
      unhex_array<32>("07a37cbc142093c8b755dc1b10e86cb426374ad16aa853ed0bdfc0b2b86d1c7c")}};
};

TEST_F(HandshakeVectors, PublicKeysAreDerived) {
  EXPECT_EQ(hex(initiator_->identity.public_key().bytes), text("initiator_public"));
  EXPECT_EQ(hex(responder_->identity.public_key().bytes), text("responder_public"));
}

TEST_F(HandshakeVectors, InitiationIsMadeByteForByte) {
  EXPECT_EQ(hex(raw(create_initiation())), text("initiation_without_mac2"));
  EXPECT_EQ(initiator_->handshake.local_index(), number("initiator_index"));
}

TEST_F(HandshakeVectors, ResponseIsMadeByteForByte) {
  ASSERT_EQ(
      consume_initiation(message_from_hex<InitiationMessage>(text("initiation_without_mac2"))),
      HandshakeVerdict::kOk);
  EXPECT_EQ(hex(raw(create_response())), text("response_without_mac2"));
}

TEST_F(HandshakeVectors, BothEndsDeriveTheTransportKeys) {
  create_initiation();
  ASSERT_EQ(
      initiator_->handshake.consume_response(
          message_from_hex<ResponseMessage>(text("response_without_mac2")), initiator_->identity),
      HandshakeVerdict::kOk);
  const auto initiator = initiator_->handshake.derive_session();
  ASSERT_TRUE(initiator);
  EXPECT_TRUE(initiator->is_initiator);
  EXPECT_EQ(hex(initiator->send.bytes()), text("initiator_sends_with"));
  EXPECT_EQ(hex(initiator->receive.bytes()), text("initiator_receives_with"));
  EXPECT_EQ(initiator->local_index, number("initiator_index"));
  EXPECT_EQ(initiator->remote_index, number("responder_index"));

  ASSERT_EQ(
      consume_initiation(message_from_hex<InitiationMessage>(text("initiation_without_mac2"))),
      HandshakeVerdict::kOk);
  create_response();
  const auto responder = responder_->handshake.derive_session();
  ASSERT_TRUE(responder);
  EXPECT_FALSE(responder->is_initiator);
  EXPECT_EQ(hex(responder->send.bytes()), text("initiator_receives_with"));
  EXPECT_EQ(hex(responder->receive.bytes()), text("initiator_sends_with"));
  EXPECT_EQ(responder->local_index, number("responder_index"));
  EXPECT_EQ(responder->remote_index, number("initiator_index"));
}

TEST_F(HandshakeVectors, TransportPacketsAreSealedByteForByte) {
  const InitiationMessage initiation = create_initiation();
  ASSERT_EQ(consume_initiation(initiation), HandshakeVerdict::kOk);
  const ResponseMessage response = create_response();
  ASSERT_EQ(initiator_->handshake.consume_response(response, initiator_->identity),
            HandshakeVerdict::kOk);
  const auto initiator = initiator_->handshake.derive_session();
  const auto responder = responder_->handshake.derive_session();
  ASSERT_TRUE(initiator && responder);
  const std::string inner = text("inner_packet_padded");
  EXPECT_EQ(packet(*initiator, 0, inner), text("data_initiator_to_responder_counter_0"));
  EXPECT_EQ(packet(*initiator, std::uint64_t{1} << 32, inner),
            text("data_initiator_to_responder_counter_4294967296"));
  EXPECT_EQ(packet(*responder, 0, ""), text("keepalive_responder_to_initiator_counter_0"));
}

TEST_F(HandshakeVectors, MacsOfBothMessagesAreFoundValid) {
  SeededRandom random(1);
  const std::vector<std::uint8_t> initiation = unhex(text("initiation_without_mac2"));
  const std::vector<std::uint8_t> response = unhex(text("response_without_mac2"));
  EXPECT_EQ(checker_.check(initiation, source_, false, at(seconds(1)), random),
            MacVerdict::kValidMac1);
  CookieChecker at_initiator;
  at_initiator.set_public_key(initiator_->identity.public_key());
  EXPECT_EQ(at_initiator.check(response, source_, false, at(seconds(1)), random),
            MacVerdict::kValidMac1);
}

TEST_F(HandshakeVectors, CookieReplyAndMac2AreMadeByteForByte) {
  const InitiationMessage initiation = create_initiation();
  ScriptedRandom random;
  random.then(unhex(text("cookie_secret")));
  random.then(unhex(text("cookie_nonce")));
  CookieReplyMessage reply{};
  checker_.create_reply(reply, raw(initiation), source_, at(seconds(1)), random);
  EXPECT_EQ(hex(raw(reply)), text("cookie_reply_to_initiation"));

  ASSERT_TRUE(initiator_cookies_.consume_reply(reply, at(seconds(2))));
  InitiationMessage again = initiation;
  initiator_cookies_.add_macs(raw(again), at(seconds(3)));
  EXPECT_EQ(hex(again.mac1), hex(initiation.mac1));
  EXPECT_EQ(hex(again.mac2), text("initiation_mac2_with_cookie"));
  EXPECT_EQ(checker_.check(raw(again), source_, true, at(seconds(4)), random),
            MacVerdict::kValidMac2);
}

}  // namespace
}  // namespace hawser::test
