#include "bench/load/peer_plan.h"

#include <array>
#include <cassert>

#include "base/wire.h"

namespace hawser::load {
namespace {

// splitmix64 (Steele, Lea, Flood 2014): spreads a number over 64 bits.
std::uint64_t mix(std::uint64_t value) {
  value += 0x9e3779b97f4a7c15U;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9U;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebU;
  return value ^ (value >> 31);
}

constexpr std::uint64_t kControllerNumber = ~std::uint64_t{0};

std::uint64_t number_of(Side side, std::size_t i) { return 2 * i + (side == Side::kB ? 1 : 0); }

std::string host_prefixes(Side side, std::size_t i) {
  return PeerPlan::address(side, i, IpFamily::kV4).to_string() + "/32, " +
         PeerPlan::address(side, i, IpFamily::kV6).to_string() + "/128";
}

}  // namespace

PrivateKey PeerPlan::derive_key(std::uint64_t number) const {
  std::array<std::uint8_t, kKeyLen> raw{};
  std::uint64_t state = mix(seed_) ^ mix(~number);
  for (std::size_t at = 0; at < raw.size(); at += 8) {
    state = mix(state);
    store_le64(raw.data() + at, state);
  }
  PrivateKey key(raw);
  key.clamp();
  return key;
}

PrivateKey PeerPlan::controller_key() const { return derive_key(kControllerNumber); }

Identity PeerPlan::peer(Side side, std::size_t i) const {
  return Identity(derive_key(number_of(side, i)));
}

IpAddress PeerPlan::address(Side side, std::size_t i, IpFamily family) {
  assert(i < kMaxPairs);
  const auto number = static_cast<std::uint16_t>(i + 1);
  IpAddress address;
  address.family = family;
  if (family == IpFamily::kV4) {
    address.bytes[0] = 10;
    address.bytes[1] = side == Side::kA ? 65 : 66;
    store_be16(address.bytes.data() + 2, number);
  } else {
    address.bytes[0] = 0xfd;
    address.bytes[1] = side == Side::kA ? 0x65 : 0x66;
    store_be16(address.bytes.data() + 14, number);
  }
  return address;
}

std::string PeerPlan::controller_config(std::size_t num_pairs, std::uint16_t listen_port) const {
  std::string text = "[Interface]\nPrivateKey = " + key_to_base64(controller_key().bytes()) +
                     "\nListenPort = " + std::to_string(listen_port) + "\n";
  for (std::size_t i = 0; i < num_pairs; ++i) {
    for (const Side side : {Side::kA, Side::kB}) {
      text += "\n[Peer]\nPublicKey = " + peer(side, i).public_key().to_base64() +
              "\nAllowedIPs = " + host_prefixes(side, i) + "\n";
    }
  }
  return text;
}

}  // namespace hawser::load
