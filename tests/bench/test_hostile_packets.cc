// The packets of the flooder are of the kind that they are said to be.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "base/wire.h"
#include "bench/flood_tool/hostile_packets.h"
#include "noise/cookie.h"
#include "noise/identity.h"

namespace hawser::flood {
namespace {

class SeededRandom : public RandomSource {
 public:
  void fill(std::span<std::uint8_t> out) override {
    for (std::uint8_t& byte : out) byte = static_cast<std::uint8_t>(engine_());
  }

 private:
  std::mt19937 engine_{7};
};

class HostilePackets : public ::testing::Test {
 protected:
  HostilePackets() {
    std::array<std::uint8_t, kKeyLen> raw{};
    raw.fill(9);
    PrivateKey key(raw);
    key.clamp();
    ingredients_.controller = key.derive_public();
    random_.fill(
        {reinterpret_cast<std::uint8_t*>(&ingredients_.initiation), sizeof(InitiationMessage)});
    ingredients_.receiver_index = 0x12345678;
    ingredients_.data_len = 160;
  }

  std::vector<Packet> make(std::string_view name) {
    return make_packets(parse_kind(name).value(), 50, ingredients_, random_);
  }
  MacVerdict mac1_of(const Packet& packet) {
    CookieChecker checker;
    checker.set_public_key(ingredients_.controller);
    return checker.check(packet, CookieSource{}, /*check_mac2=*/true, Instant{}, random_);
  }

  SeededRandom random_;
  Ingredients ingredients_;
};

TEST_F(HostilePackets, GarbageIsNoMessage) {
  for (const Packet& packet : make("garbage")) {
    EXPECT_FALSE(classify_message(packet));
    EXPECT_GE(packet.size(), 1U);
    EXPECT_LE(packet.size(), ingredients_.data_len);
  }
}

TEST_F(HostilePackets, BadMac1IsAnInitiationWithoutAMac) {
  for (const Packet& packet : make("bad-mac1")) {
    EXPECT_EQ(classify_message(packet), MessageType::kInitiation);
    EXPECT_EQ(mac1_of(packet), MacVerdict::kInvalidMac1);
  }
}

TEST_F(HostilePackets, ValidMac1IsAnInitiationWithoutACookie) {
  for (const char* name : {"valid-mac1", "spoofed"}) {
    for (const Packet& packet : make(name)) {
      EXPECT_EQ(classify_message(packet), MessageType::kInitiation);
      EXPECT_EQ(mac1_of(packet), MacVerdict::kValidMac1);
    }
  }
}

TEST_F(HostilePackets, ReplaysAreTheInitiation) {
  const auto* const first = reinterpret_cast<const std::uint8_t*>(&ingredients_.initiation);
  for (const Packet& packet : make("replay")) {
    EXPECT_TRUE(std::equal(packet.begin(), packet.end(), first, first + sizeof(InitiationMessage)));
  }
}

TEST_F(HostilePackets, DataHasTheIndexThatItShould) {
  for (const Packet& packet : make("bad-tag")) {
    EXPECT_EQ(classify_message(packet), MessageType::kTransportData);
    EXPECT_EQ(packet.size(), ingredients_.data_len);
    EXPECT_EQ(load_le32(packet.data() + 4), ingredients_.receiver_index);
  }
  const std::vector<Packet> unknown = make("unknown-index");
  EXPECT_EQ(classify_message(unknown[0]), MessageType::kTransportData);
  EXPECT_NE(load_le32(unknown[0].data() + 4), load_le32(unknown[1].data() + 4));
}

TEST_F(HostilePackets, OtherNamesAreNoKinds) { EXPECT_FALSE(parse_kind("kindness")); }

}  // namespace
}  // namespace hawser::flood
