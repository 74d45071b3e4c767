#include "bench/flood_tool/hostile_packets.h"

#include <array>
#include <cstring>
#include <utility>

#include "base/wire.h"
#include "noise/cookie.h"

namespace hawser::flood {
namespace {

constexpr std::array<std::pair<std::string_view, Kind>, 7> kNames = {{
    {"garbage", Kind::kGarbage},
    {"bad-mac1", Kind::kBadMac1},
    {"valid-mac1", Kind::kValidMac1},
    {"spoofed", Kind::kSpoofed},
    {"replay", Kind::kReplay},
    {"unknown-index", Kind::kUnknownIndex},
    {"bad-tag", Kind::kBadTag},
}};

Packet random_bytes(std::size_t len, RandomSource& random) {
  Packet packet(len);
  random.fill(packet);
  return packet;
}

void set_type(Packet& packet, MessageType type) {
  store_le32(packet.data(), static_cast<std::uint32_t>(type));
}

Packet make_initiation(RandomSource& random) {
  Packet packet = random_bytes(sizeof(InitiationMessage), random);
  set_type(packet, MessageType::kInitiation);
  return packet;
}

Packet make_garbage(std::size_t max_len, RandomSource& random) {
  Packet packet = random_bytes(1 + random.below(static_cast<std::uint32_t>(max_len)), random);
  packet[0] |= 0x80;  // no type that there is
  return packet;
}

Packet make_with_mac1(CookieMaker& maker, RandomSource& random) {
  Packet packet = make_initiation(random);
  maker.add_macs(packet, Instant{});
  return packet;
}

Packet make_data(const Ingredients& from, std::uint32_t index, std::uint64_t counter,
                 RandomSource& random) {
  Packet packet = random_bytes(from.data_len, random);
  set_type(packet, MessageType::kTransportData);
  store_le32(packet.data() + 4, index);
  store_le64(packet.data() + 8, counter);
  return packet;
}

}  // namespace

std::optional<Kind> parse_kind(std::string_view name) {
  for (const auto& [known, kind] : kNames) {
    if (name == known) return kind;
  }
  return std::nullopt;
}

std::vector<Packet> make_packets(Kind kind, std::size_t num, const Ingredients& ingredients,
                                 RandomSource& random) {
  CookieMaker maker(ingredients.controller);
  std::vector<Packet> packets;
  for (std::size_t i = 0; i < num; ++i) {
    switch (kind) {
      case Kind::kGarbage:
        packets.push_back(make_garbage(ingredients.data_len, random));
        break;
      case Kind::kBadMac1:
        packets.push_back(make_initiation(random));
        break;
      case Kind::kValidMac1:
      case Kind::kSpoofed:
        packets.push_back(make_with_mac1(maker, random));
        break;
      case Kind::kReplay: {
        Packet packet(sizeof(InitiationMessage));
        std::memcpy(packet.data(), &ingredients.initiation, packet.size());
        packets.push_back(std::move(packet));
        break;
      }
      case Kind::kUnknownIndex:
        packets.push_back(make_data(ingredients, random.u32(), i, random));
        break;
      case Kind::kBadTag:
        packets.push_back(make_data(ingredients, ingredients.receiver_index, i + 1, random));
        break;
    }
  }
  return packets;
}

}  // namespace hawser::flood
