#pragma once
// What the backends share. Internal to noise/.
#include <array>
#include <cstdint>
#include <memory>

#include "base/wire.h"
#include "noise/aead.h"

namespace hawser::noise_internal {

inline constexpr std::size_t kAeadNonceLen = 12;

// The nonce of transport data: 4 zero bytes, then the counter, little endian.
inline void write_nonce(std::array<std::uint8_t, kAeadNonceLen>& nonce, std::uint64_t counter) {
  store_le32(nonce.data(), 0);
  store_le64(nonce.data() + 4, counter);
}

std::unique_ptr<Aead> make_boringssl_aead();
std::unique_ptr<Aead> make_ipsec_mb_aead();  // null without AVX-512; only with the library built in

}  // namespace hawser::noise_internal
