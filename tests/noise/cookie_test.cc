#include "noise/cookie.h"

#include "support.h"

namespace hawser::test {
namespace {

CookieSource source_of(std::string_view address_and_port_hex) {
  CookieSource source;
  const std::vector<std::uint8_t> bytes = unhex(address_and_port_hex);
  std::ranges::copy(bytes, source.bytes.begin());
  source.len = static_cast<std::uint8_t>(bytes.size());
  return source;
}

class CookieTest : public ::testing::Test {
 protected:
  CookieTest() {
    PrivateKey key = make_private(random_);
    own_ = key.derive_public();
    checker_.set_public_key(own_);
    maker_.emplace(own_);
    random_.fill(raw(message_));
  }

  MacVerdict check(const InitiationMessage& message, const CookieSource& source, Instant now) {
    return checker_.check(raw(message), source, true, now, random_);
  }
  CookieReplyMessage reply_to(const InitiationMessage& message, const CookieSource& source,
                              Instant now) {
    CookieReplyMessage reply{};
    checker_.create_reply(reply, raw(message), source, now, random_);
    return reply;
  }
  // Sends an initiation, and takes the cookie reply to it.
  void take_cookie(const CookieSource& source, Instant now) {
    maker_->add_macs(raw(message_), now);
    ASSERT_TRUE(maker_->consume_reply(reply_to(message_, source, now), now));
  }

  SeededRandom random_{1};
  PublicKey own_;
  CookieChecker checker_;
  std::optional<CookieMaker> maker_;
  InitiationMessage message_{};
  const CookieSource source_ = source_of("c00002219c40");
};

TEST_F(CookieTest, Mac1CoversEveryByteBeforeIt) {
  maker_->add_macs(raw(message_), at(seconds(0)));
  EXPECT_EQ(check(message_, source_, at(seconds(0))), MacVerdict::kValidMac1);
  for (std::size_t i = 0; i < 132; ++i) {
    InitiationMessage forged = message_;
    raw(forged)[i] ^= 1;
    EXPECT_EQ(check(forged, source_, at(seconds(0))), MacVerdict::kInvalidMac1) << i;
  }
}

TEST_F(CookieTest, ResponsesCarryMacsToo) {
  ResponseMessage response{};
  random_.fill(raw(response));
  maker_->add_macs(raw(response), at(seconds(0)));
  EXPECT_EQ(checker_.check(raw(response), source_, false, at(seconds(0)), random_),
            MacVerdict::kValidMac1);
  response.mac1[15] ^= 1;
  EXPECT_EQ(checker_.check(raw(response), source_, false, at(seconds(0)), random_),
            MacVerdict::kInvalidMac1);
}

TEST_F(CookieTest, Mac1ForAnotherKeyIsInvalid) {
  CookieMaker other(make_private(random_).derive_public());
  other.add_macs(raw(message_), at(seconds(0)));
  EXPECT_EQ(check(message_, source_, at(seconds(0))), MacVerdict::kInvalidMac1);
}

TEST_F(CookieTest, OtherLengthsAreInvalid) {
  const std::vector<std::uint8_t> bytes(200);
  for (std::size_t len = 0; len <= bytes.size(); ++len) {
    EXPECT_EQ(checker_.check(std::span(bytes).first(len), source_, true, at(seconds(0)), random_),
              MacVerdict::kInvalidMac1);
  }
}

TEST_F(CookieTest, WithoutAKeyOfOurOwnNothingIsValid) {
  CookieChecker unset;
  CookieMaker to_zero{PublicKey()};
  to_zero.add_macs(raw(message_), at(seconds(0)));
  EXPECT_EQ(unset.check(raw(message_), source_, false, at(seconds(0)), random_),
            MacVerdict::kInvalidMac1);
  unset.set_public_key(PublicKey());
  EXPECT_EQ(unset.check(raw(message_), source_, false, at(seconds(0)), random_),
            MacVerdict::kInvalidMac1);
}

TEST_F(CookieTest, WithoutACookieMac2IsZeroAndNotValid) {
  maker_->add_macs(raw(message_), at(seconds(0)));
  EXPECT_EQ(message_.mac2, (std::array<std::uint8_t, 16>{}));
  EXPECT_EQ(check(message_, source_, at(seconds(0))), MacVerdict::kValidMac1);
}

TEST_F(CookieTest, WithACookieMac2IsValidFromThatAddressAndPortOnly) {
  take_cookie(source_, at(seconds(0)));
  maker_->add_macs(raw(message_), at(seconds(1)));
  EXPECT_EQ(check(message_, source_, at(seconds(1))), MacVerdict::kValidMac2);
  EXPECT_EQ(check(message_, source_of("c00002219c41"), at(seconds(1))), MacVerdict::kValidMac1);
  EXPECT_EQ(check(message_, source_of("c00002229c40"), at(seconds(1))), MacVerdict::kValidMac1);
}

TEST_F(CookieTest, Ipv6SourcesAreBoundWithAllTheirBytes) {
  const CookieSource v6 = source_of("20010db80000000000000000000000019c40");
  take_cookie(v6, at(seconds(0)));
  maker_->add_macs(raw(message_), at(seconds(1)));
  EXPECT_EQ(check(message_, v6, at(seconds(1))), MacVerdict::kValidMac2);
  for (std::size_t i = 0; i < v6.len; ++i) {
    CookieSource other = v6;
    other.bytes[i] ^= 1;
    EXPECT_EQ(check(message_, other, at(seconds(1))), MacVerdict::kValidMac1) << i;
  }
}

TEST_F(CookieTest, Mac2CoversMac1AndIsNotLookedAtUnlessAsked) {
  take_cookie(source_, at(seconds(0)));
  maker_->add_macs(raw(message_), at(seconds(1)));
  EXPECT_EQ(checker_.check(raw(message_), source_, false, at(seconds(1)), random_),
            MacVerdict::kValidMac1);
  message_.mac2[0] ^= 1;
  EXPECT_EQ(check(message_, source_, at(seconds(1))), MacVerdict::kValidMac1);
  message_.mac2[0] ^= 1;
  message_.mac1[0] ^= 1;
  EXPECT_EQ(check(message_, source_, at(seconds(1))), MacVerdict::kInvalidMac1);
}

TEST_F(CookieTest, SecretIsMadeAnewAfter120Seconds) {
  take_cookie(source_, at(seconds(1000)));  // the secret is made here
  maker_->add_macs(raw(message_), at(seconds(1100)));
  EXPECT_EQ(check(message_, source_, at(milliseconds(1'119'999))), MacVerdict::kValidMac2);
  EXPECT_EQ(check(message_, source_, at(seconds(1120))), MacVerdict::kValidMac1);
  EXPECT_EQ(check(message_, source_, at(seconds(1121))), MacVerdict::kValidMac1);
}

TEST_F(CookieTest, SenderUsesACookieForLessThan115Seconds) {
  take_cookie(source_, at(seconds(1000)));
  maker_->add_macs(raw(message_), at(seconds(1115) - nanoseconds(1)));
  EXPECT_NE(message_.mac2, (std::array<std::uint8_t, 16>{}));
  maker_->add_macs(raw(message_), at(seconds(1115)));
  EXPECT_EQ(message_.mac2, (std::array<std::uint8_t, 16>{}));
}

TEST_F(CookieTest, ClearForgetsTheCookie) {
  take_cookie(source_, at(seconds(0)));
  maker_->clear();
  maker_->add_macs(raw(message_), at(seconds(1)));
  EXPECT_EQ(message_.mac2, (std::array<std::uint8_t, 16>{}));
}

TEST_F(CookieTest, OneReplyIsTakenForEachMac1Sent) {
  EXPECT_FALSE(maker_->consume_reply(reply_to(message_, source_, at(seconds(0))), at(seconds(0))));
  maker_->add_macs(raw(message_), at(seconds(0)));
  const CookieReplyMessage reply = reply_to(message_, source_, at(seconds(0)));
  EXPECT_TRUE(maker_->consume_reply(reply, at(seconds(0))));
  EXPECT_FALSE(maker_->consume_reply(reply, at(seconds(0))));
  EXPECT_FALSE(maker_->consume_reply(reply_to(message_, source_, at(seconds(0))), at(seconds(0))));
  maker_->add_macs(raw(message_), at(seconds(5)));
  EXPECT_TRUE(maker_->consume_reply(reply_to(message_, source_, at(seconds(5))), at(seconds(5))));
}

TEST_F(CookieTest, ForgedReplyDoesNotUseUpTheOneExpected) {
  maker_->add_macs(raw(message_), at(seconds(0)));
  const CookieReplyMessage reply = reply_to(message_, source_, at(seconds(0)));
  for (std::size_t i = 8; i < sizeof reply; ++i) {
    CookieReplyMessage forged = reply;
    raw(forged)[i] ^= 4;
    EXPECT_FALSE(maker_->consume_reply(forged, at(seconds(0)))) << i;
  }
  EXPECT_TRUE(maker_->consume_reply(reply, at(seconds(0))));
}

TEST_F(CookieTest, ReplyToAnEarlierMac1IsNotTaken) {
  maker_->add_macs(raw(message_), at(seconds(0)));
  const CookieReplyMessage late = reply_to(message_, source_, at(seconds(0)));
  message_.ephemeral[0] ^= 1;
  maker_->add_macs(raw(message_), at(seconds(5)));
  EXPECT_FALSE(maker_->consume_reply(late, at(seconds(5))));
}

TEST_F(CookieTest, ReplyNamesTheSenderAndNeverRepeatsANonce) {
  maker_->add_macs(raw(message_), at(seconds(0)));
  const CookieReplyMessage first = reply_to(message_, source_, at(seconds(0)));
  const CookieReplyMessage second = reply_to(message_, source_, at(seconds(0)));
  EXPECT_EQ(hex(first.type), "03000000");
  EXPECT_EQ(first.receiver, message_.sender);
  EXPECT_NE(first.nonce, second.nonce);
}

}  // namespace
}  // namespace hawser::test
