#pragma once
// BLAKE2s, HMAC and the KDF of the handshake (WireGuard paper §5.4; RFC 7693, RFC 2104, RFC 5869).
// Internal to noise/. None of it can fail; all scratch state is wiped. Any thread.
#include <cstdint>
#include <initializer_list>
#include <span>

#include "base/secret.h"
#include "noise/constants.h"

namespace hawser::noise_internal {

using Bytes = std::span<const std::uint8_t>;
using MutableBytes = std::span<std::uint8_t>;

// BLAKE2s of the parts one after another; out.size() is the digest length, 1 … 32. `key` is empty
// (plain hash) or up to 32 bytes. `out` may overlap the parts.
void blake2s_keyed(MutableBytes out, Bytes key, std::initializer_list<Bytes> parts);
inline void blake2s_hash(MutableBytes out, std::initializer_list<Bytes> parts) {
  blake2s_keyed(out, {}, parts);
}

// HMAC-BLAKE2s with 32 bytes of output. `out` may overlap key or parts.
void hmac_blake2s(std::span<std::uint8_t, kHashLen> out, Bytes key,
                  std::initializer_list<Bytes> parts);

// KDF1, KDF2, KDF3: HKDF with `chaining_key` as the salt. Outputs may be the chaining key itself.
void kdf1(Secret<kHashLen>& out1, const Secret<kHashLen>& chaining_key, Bytes input);
void kdf2(Secret<kHashLen>& out1, Secret<kHashLen>& out2, const Secret<kHashLen>& chaining_key,
          Bytes input);
void kdf3(Secret<kHashLen>& out1, Secret<kHashLen>& out2, Secret<kHashLen>& out3,
          const Secret<kHashLen>& chaining_key, Bytes input);

}  // namespace hawser::noise_internal
