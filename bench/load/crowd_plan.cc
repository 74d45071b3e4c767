#include "bench/load/crowd_plan.h"

#include <random>
#include <set>

#include "base/hex.h"
#include "base/wire.h"

namespace hawser::load {
namespace {

constexpr unsigned kSubnetLen = 64;

Prefix random_v4(std::mt19937_64& random) {
  IpAddress address;
  address.family = IpFamily::kV4;
  constexpr std::uint32_t kBase = 0x40000000;
  store_be32(address.bytes.data(), kBase | (static_cast<std::uint32_t>(random()) >> 2));
  return {address, address.bits()};
}

Prefix random_v6(std::mt19937_64& random) {
  IpAddress address;
  address.family = IpFamily::kV6;
  store_be64(address.bytes.data(), random());
  address.bytes[0] = 0xfc;
  return {address, kSubnetLen};
}

Prefix host_prefix(std::size_t n, IpFamily family) {
  const Side side = n % 2 == 0 ? Side::kA : Side::kB;
  const IpAddress address = PeerPlan::address(side, n / 2, family);
  return {address, address.bits()};
}

}  // namespace

CrowdPlan::CrowdPlan(std::uint64_t seed, std::size_t num_peers, std::size_t num_allowed_ips)
    : plan_(seed), allowed_ips_(num_peers) {
  std::mt19937_64 random(seed);
  std::set<Prefix> taken;
  for (std::size_t n = 0; n < num_peers; ++n) {
    keys_.push_back(peer(plan_, n).public_key());
    std::vector<Prefix>& own = allowed_ips_[n];
    if (num_allowed_ips > 0) own.push_back(host_prefix(n, IpFamily::kV4));
    if (num_allowed_ips > 1) own.push_back(host_prefix(n, IpFamily::kV6));
    while (own.size() < num_allowed_ips) {
      const Prefix prefix = own.size() % 2 == 0 ? random_v4(random) : random_v6(random);
      if (taken.insert(prefix).second) own.push_back(prefix);
    }
  }
}

Identity CrowdPlan::peer(const PeerPlan& plan, std::size_t n) {
  return plan.peer(n % 2 == 0 ? Side::kA : Side::kB, n / 2);
}

std::string CrowdPlan::config(ConfigFormat format, std::uint16_t listen_port) const {
  return format == ConfigFormat::kUapi ? to_uapi(listen_port) : to_setconf(listen_port);
}

std::string CrowdPlan::to_setconf(std::uint16_t listen_port) const {
  std::string text = "[Interface]\nPrivateKey = " + key_to_base64(plan_.controller_key().bytes()) +
                     "\nListenPort = " + std::to_string(listen_port) + "\n";
  for (std::size_t n = 0; n < keys_.size(); ++n) {
    text += "\n[Peer]\nPublicKey = " + keys_[n].to_base64() + "\nAllowedIPs = ";
    const char* separator = "";
    for (const Prefix& prefix : allowed_ips_[n]) {
      text += separator + prefix.to_string();
      separator = ", ";
    }
    text += "\n";
  }
  return text;
}

std::string CrowdPlan::to_uapi(std::uint16_t listen_port) const {
  std::string text = "set=1\nprivate_key=" + to_hex(plan_.controller_key().bytes()) +
                     "\nlisten_port=" + std::to_string(listen_port) + "\nreplace_peers=true\n";
  for (std::size_t n = 0; n < keys_.size(); ++n) {
    text += "public_key=" + to_hex(keys_[n].bytes) + "\nreplace_allowed_ips=true\n";
    for (const Prefix& prefix : allowed_ips_[n]) text += "allowed_ip=" + prefix.to_string() + "\n";
  }
  return text + "\n";
}

}  // namespace hawser::load
