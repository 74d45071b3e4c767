#include "noise/dh.h"

#include <openssl/curve25519.h>

namespace hawser::noise_internal {

bool diffie_hellman(Secret<kKeyLen>& out, const PrivateKey& own, const PublicKey& remote) {
  const int nonzero = X25519(out.data(), own.data(), remote.bytes.data());
  // The library reports an all-zero result; looking again costs nothing and depends on nobody.
  if (nonzero == 1 && !out.is_zero()) return true;
  out.clear();
  return false;
}

}  // namespace hawser::noise_internal
