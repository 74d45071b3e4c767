#pragma once
#include "noise/keys.h"

namespace hawser::noise_internal {

// X25519 (RFC 7748 §5). False when the result is all zero, i.e. `remote` is a point of small order;
// `out` is then zero. Any thread. Internal to noise/.
[[nodiscard]] bool diffie_hellman(Secret<kKeyLen>& out, const PrivateKey& own,
                                  const PublicKey& remote);

}  // namespace hawser::noise_internal
