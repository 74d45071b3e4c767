#pragma once
// ChaCha20-Poly1305 for handshake fields (WireGuard paper §5.4, AEAD with counter 0): one message,
// with associated data. Transport data goes through noise/aead.h instead. Internal to noise/.
#include "noise/hash.h"

namespace hawser::noise_internal {

// out.size() == plaintext.size() + kAeadTagLen. The key is used once, so the nonce is always zero.
void seal_once(MutableBytes out, const Secret<kHashLen>& key, Bytes plaintext, Bytes associated);

// out.size() + kAeadTagLen == ciphertext.size(). False: does not open, and `out` is zero.
[[nodiscard]] bool open_once(MutableBytes out, const Secret<kHashLen>& key, Bytes ciphertext,
                             Bytes associated);

}  // namespace hawser::noise_internal
