#include "noise/crypto_init.h"

#include <openssl/crypto.h>
#include <sodium.h>

#include <array>
#include <cstdint>

#include "noise/hash.h"

namespace hawser {
namespace {

constexpr std::array<std::uint8_t, 3> kAbc = {'a', 'b', 'c'};

// Runs every function of libb2 that we call, so that each has made its choice, and checks RFC 7693
// appendix B ("abc") on the way.
bool init_blake2s() {
  static constexpr std::array<std::uint8_t, kHashLen> kExpected = {
      0x50, 0x8c, 0x5e, 0x8c, 0x32, 0x7c, 0x14, 0xe2, 0xe1, 0xa7, 0x2b,
      0xa3, 0x4e, 0xeb, 0x45, 0x2f, 0x37, 0x45, 0x8b, 0x20, 0x9e, 0xd6,
      0x3a, 0x29, 0x4d, 0x99, 0x9b, 0x4c, 0x86, 0x67, 0x59, 0x82};
  std::array<std::uint8_t, kHashLen> digest{};
  noise_internal::blake2s_keyed(digest, kAbc, {kAbc});
  noise_internal::blake2s_hash(digest, {kAbc});
  return digest == kExpected;
}

bool init_all() {
  CRYPTO_library_init();
  return sodium_init() >= 0 && init_blake2s();
}

}  // namespace

bool init_crypto() {
  static const bool ready = init_all();
  return ready;
}

}  // namespace hawser
